//! What of an event and of its effects goes into the digest of a run.

use node::{Digest, DiskError, DiskOp, DiskReply, DiskResult, Effect, Event, FileId, Frame, FrameKind, Nanos, NodeId};

/// What is chained of a block that was read: the header, in what the engines write. All of it was chained when it was written, and
/// what became of it on the disk follows from the seed and from what was chained.
const READ_CHAINED_BYTES: usize = 64;

/// Chains the delivery of `event` to `id` at `now`: all that the node could see. A frame is chained by its checksum, which covers
/// it and holds for every frame that is delivered; six nodes get the same one. A block that was read is chained by its length and
/// its first bytes.
pub(crate) fn chain(digest: &mut Digest, now: Nanos, id: NodeId, event: &Event) {
    let kind = match event {
        Event::Start => 0,
        Event::Frame { .. } => 1,
        Event::Disk { .. } => 2,
        Event::Timer { .. } => 3,
    };
    digest.pair(now.0, u64::from(id.0) << 8 | kind);
    match event {
        Event::Start => {}
        Event::Frame { from, frame } => {
            let FrameKind(kind) = frame.kind();
            digest.pair(u64::from(from.0) << 16 | u64::from(kind), word_of(frame));
        }
        Event::Disk { token, result } => {
            digest.pair(token.0, code_of(result));
            chain_contents(digest, result);
        }
        Event::Timer { timer } => digest.word(timer.0),
    }
}

fn code_of(result: &DiskResult) -> u64 {
    match result {
        Ok(DiskReply::Done) => 0,
        Ok(DiskReply::Opened { len_bytes }) => 1 | len_bytes << 8,
        Ok(DiskReply::Data(block)) => 2 | (block.len() as u64) << 8,
        Ok(DiskReply::Names(names)) => 3 | (names.len() as u64) << 8,
        Err(DiskError::NotFound) => 4,
        Err(DiskError::NoSpace) => 5,
        Err(DiskError::OutOfRange { len_bytes }) => 6 | len_bytes << 8,
        Err(DiskError::Io { errno }) => 7 | (*errno as u64) << 8,
    }
}

fn chain_contents(digest: &mut Digest, result: &DiskResult) {
    match result {
        Ok(DiskReply::Data(block)) => digest.bytes(&block[..block.len().min(READ_CHAINED_BYTES)]),
        Ok(DiskReply::Names(names)) => {
            for (name, len_bytes) in names {
                digest.bytes(name.as_str().as_bytes());
                digest.word(*len_bytes);
            }
        }
        Ok(DiskReply::Done | DiskReply::Opened { .. }) | Err(_) => {}
    }
}

fn word_of(frame: &Frame) -> u64 {
    (frame.len_bytes() as u64) << 32 | u64::from(frame.checksum())
}

/// Chains what a node decided to do about an event, every byte it writes to its disk included.
pub(crate) fn chain_effects(digest: &mut Digest, effects: &[Effect]) {
    digest.word(effects.len() as u64);
    for effect in effects {
        match effect {
            Effect::Send { to, frame, class } => {
                digest.pair(u64::from(to.0) << 16 | (*class as u64) << 8, word_of(frame));
            }
            Effect::Disk { token, op, class } => {
                digest.pair((*class as u64) << 8 | 1, token.0);
                chain_operation(digest, op);
            }
            Effect::SetTimer { timer, after } => {
                digest.pair(timer.0, after.0 << 8 | 2);
            }
            Effect::CancelTimer { timer } => {
                digest.pair(timer.0, 3);
            }
            Effect::Charge { work, units } => digest.word(units << 16 | (*work as u64) << 8 | 4),
            Effect::Halt { reason } => {
                digest.word(5);
                digest.bytes(reason.as_bytes());
            }
        }
    }
}

fn chain_operation(digest: &mut Digest, op: &DiskOp) {
    let mut head = |code: u64, file: FileId, length: u64| digest.pair(u64::from(file.0) << 8 | code, length);
    match op {
        DiskOp::List => head(0, FileId(0), 0),
        DiskOp::Open { file, name } => {
            head(1, *file, 0);
            digest.bytes(name.as_str().as_bytes());
        }
        DiskOp::Create { file, name, len_bytes } => {
            head(2, *file, *len_bytes);
            digest.bytes(name.as_str().as_bytes());
        }
        DiskOp::Extend { file, len_bytes } => head(3, *file, *len_bytes),
        DiskOp::Read { file, offset, len_bytes } => {
            head(4, *file, *len_bytes as u64);
            digest.word(*offset);
        }
        DiskOp::Write { file, offset, data, durable } => {
            head(5 + u64::from(*durable), *file, *offset);
            digest.bytes(data);
        }
        DiskOp::Sync { file } => head(7, *file, 0),
        DiskOp::SyncDir => head(8, FileId(0), 0),
        DiskOp::Remove { name } => {
            head(9, FileId(0), 0);
            digest.bytes(name.as_str().as_bytes());
        }
    }
}
