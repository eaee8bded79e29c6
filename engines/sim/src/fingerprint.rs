//! What of an event goes into the digest of a run.

use node::{Digest, DiskError, DiskReply, DiskResult, Event, FrameKind, Nanos, NodeId};

/// Chains the delivery of `event` to `id` at `now`: every bit that the node could see.
pub(crate) fn chain(digest: &mut Digest, now: Nanos, id: NodeId, event: &Event) {
    let kind = match event {
        Event::Start => 0,
        Event::Frame { .. } => 1,
        Event::Disk { .. } => 2,
        Event::Timer { .. } => 3,
    };
    digest.word(now.0);
    digest.word(u64::from(id.0) << 8 | kind);
    match event {
        Event::Start => {}
        Event::Frame { from, frame } => {
            let FrameKind(kind) = frame.kind();
            digest.word(u64::from(from.0) << 16 | u64::from(kind));
            digest.bytes(frame.bytes());
        }
        Event::Disk { token, result } => {
            digest.word(token.0);
            chain_result(digest, result);
        }
        Event::Timer { timer } => digest.word(timer.0),
    }
}

fn chain_result(digest: &mut Digest, result: &DiskResult) {
    match result {
        Ok(DiskReply::Done) => digest.word(0),
        Ok(DiskReply::Opened { len_bytes }) => digest.word(1 | len_bytes << 8),
        Ok(DiskReply::Data(block)) => digest.bytes(block),
        Ok(DiskReply::Names(names)) => {
            for (name, len_bytes) in names {
                digest.bytes(name.as_str().as_bytes());
                digest.word(*len_bytes);
            }
        }
        Err(DiskError::NotFound) => digest.word(2),
        Err(DiskError::NoSpace) => digest.word(3),
        Err(DiskError::OutOfRange { len_bytes }) => digest.word(4 | len_bytes << 8),
        Err(DiskError::Io { errno }) => digest.word(5 | (*errno as u64) << 8),
    }
}
