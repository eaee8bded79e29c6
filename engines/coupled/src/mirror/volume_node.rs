//! The block server: a disk that answers when its own copy and its mirror's are durable.

use std::collections::BTreeMap;

use bytes::Bytes;
use compute::Planted;
use node::{
    Block, Digest, DiskError, DiskOp, DiskReply, DiskResult, Effects, Event, FileId, Frame, IoClass, Nanos, Node,
    NodeId, Rng, TimerId, Token, Watchdog, Work,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::copies::Progress;
use crate::mirror::start::{Contents, Start, failed, write_label};
use crate::mirror::{Answer, Call, Callee, Caller, Copies, Heard, Identity, Label, Noted, Ticket, VolumeRecord};
use crate::planted::Bug;

const TIMER: TimerId = TimerId::new(0, 1);
const WATCHDOG: TimerId = TimerId::new(0, 2);

/// What a volume is made with.
#[derive(Clone, Debug)]
pub struct VolumeNodeConfig {
    /// Whose volume it is. A disk that says otherwise of itself is refused.
    pub identity: Identity,
    /// Who may call.
    pub clients: Vec<NodeId>,
    /// Its mirror, if it has one.
    pub mirror: Option<NodeId>,
    /// Whether its client is the database node. Answers then keep the call's class; between servers they are `Mirror`.
    pub first_hop: bool,
    /// When to repeat a call to the mirror.
    pub retransmit: Nanos,
    /// A disk operation that takes longer halts the node.
    pub io_timeout: Nanos,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

/// The node. Every write is durable before it is answered; a failed write halts it.
#[derive(Clone, Debug)]
pub struct VolumeNode {
    callee: Callee,
    mirror: Option<Caller>,
    first_hop: bool,
    watchdog: Watchdog,
    phase: Phase,
    contents: Contents,
    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    full: bool,
    planted: Planted<Bug>,
}

#[derive(Clone, Debug)]
enum Phase {
    Built,
    Starting(Box<Start>),
    Serving,
}

/// One call under way.
#[derive(Clone, Debug)]
struct Job {
    ticket: Ticket,
    call: Call,
    /// What the own disk came to, once it has.
    own: Option<Answer>,
    /// The file being created. The volume has it once the disk does: one that finds no space must not be listed.
    creating: Option<FileId>,
    /// Whether the own disk's second step is under way.
    naming: bool,
    /// What the mirror came to, once it has.
    mirror: Option<Answer>,
}

impl VolumeNode {
    /// A volume. `rng` must differ between starts.
    pub fn new(config: VolumeNodeConfig, rng: &Rng) -> VolumeNode {
        let caller = |peer| Caller::new(peer, TIMER, config.retransmit, rng.fork("caller", 0));
        VolumeNode {
            callee: Callee::new(config.clients, rng.fork("callee", 0)),
            mirror: config.mirror.map(caller),
            first_hop: config.first_hop,
            watchdog: Watchdog::new(WATCHDOG, config.io_timeout),
            phase: Phase::Built,
            contents: Contents::none(config.identity),
            jobs: BTreeMap::new(),
            next_job: 1,
            full: false,
            planted: config.planted,
        }
    }

    /// The label, once it is read.
    pub fn label(&self) -> Option<Label> {
        self.contents.record.noted.label
    }

    /// Whether calls are served.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    /// Whether its disk had no space for the last file that was to be made or grown.
    pub fn is_full(&self) -> bool {
        self.full
    }

    fn start(&mut self, now: Nanos, ticket: Ticket, io: IoClass, call: Call, out: &mut Effects) {
        let id = self.next_job;
        self.next_job += 1;
        let own_only = matches!(
            call,
            Call::Open(_)
                | Call::Read { mirror: false, .. }
                | Call::Create { at: Copies::Own, .. }
                | Call::Extend { at: Copies::Own, .. }
                | Call::Write { at: Copies::Own, .. }
                | Call::SetLabel { at: Copies::Own, .. }
        );
        let mut job = Job { ticket, call, own: None, creating: None, naming: false, mirror: None };
        match &mut self.mirror {
            Some(mirror) if !own_only => mirror.call(now, id, for_mirror(&job.call), [IoClass::Mirror, io], out),
            _ => job.mirror = Some(Answer::Done),
        }
        if self.planted.is(Bug::MirrorNotAwaited) && matches!(job.call, Call::Write { .. }) {
            job.mirror = Some(Answer::Done);
        }
        job.own = self.begin(id, io, &mut job, out);
        self.jobs.insert(id, job);
        self.finish(id, out);
    }

    /// Starts the own disk's part; gives the answer when there is nothing to wait for.
    fn begin(&mut self, id: u64, io: IoClass, job: &mut Job, out: &mut Effects) -> Option<Answer> {
        let call = &job.call;
        let op = match call {
            Call::Create { at: Copies::Mirror, .. }
            | Call::Extend { at: Copies::Mirror, .. }
            | Call::Write { at: Copies::Mirror, .. }
            | Call::SetLabel { at: Copies::Mirror, .. }
            | Call::Read { mirror: true, .. } => return Some(Answer::Done),
            Call::List => {
                let files = self.contents.files.iter().map(|(name, (_, len_bytes))| (name.clone(), *len_bytes));
                return Some(Answer::Lists(vec![files.collect()]));
            }
            Call::Open(name) => {
                let found = self.contents.files.get(name).map(|(_, len_bytes)| Answer::Opened(*len_bytes));
                return Some(found.unwrap_or(Answer::Failed(DiskError::NotFound)));
            }
            Call::GetLabel => return Some(Answer::Labels(vec![self.contents.record.noted])),
            Call::SetLabel { label, over: Some([epoch, _]), .. } if !self.follows(label, *epoch) => {
                return Some(Answer::Failed(DiskError::NotFound));
            }
            Call::SetLabel { .. } | Call::SetMending(_) => {
                if self.contents.writer.is_busy() {
                    // The client asks for one at a time; a second one comes from a client that is gone by now.
                    return Some(Answer::Failed(DiskError::EIO));
                }
                let noted = noted_by(call, self.contents.record.noted);
                let record = VolumeRecord { noted, ..self.contents.record.clone() };
                let writes = self.contents.writer.begin(record.encode());
                write_label(out, id, writes);
                return None;
            }
            Call::Create { name, len_bytes, .. } => {
                let file = self.contents.new_file();
                DiskOp::Create { file, name: name.clone(), len_bytes: *len_bytes }
            }
            Call::Remove(name) => DiskOp::Remove { name: name.clone() },
            Call::Extend { name, len_bytes, .. } => match self.contents.files.get(name) {
                Some((file, _)) => DiskOp::Extend { file: *file, len_bytes: *len_bytes },
                None => return Some(Answer::Failed(DiskError::NotFound)),
            },
            Call::Write { name, offset, data, .. } => match self.contents.files.get(name) {
                Some((file, _)) if is_whole(data.len()) => {
                    out.charge(Work::Kilobyte, data.len() as u64 / 1024);
                    DiskOp::Write { file: *file, offset: *offset, data: Block::padded(data), durable: true }
                }
                _ => return Some(Answer::Failed(DiskError::NotFound)),
            },
            Call::Read { name, offset, len_bytes, .. } | Call::Hash { name, offset, len_bytes } => {
                match self.contents.files.get(name) {
                    Some((file, _)) if is_whole(*len_bytes as usize) => {
                        DiskOp::Read { file: *file, offset: *offset, len_bytes: *len_bytes as usize }
                    }
                    _ if matches!(call, Call::Hash { .. }) => return Some(Answer::Hashes(vec![None])),
                    _ => return Some(Answer::Failed(DiskError::NotFound)),
                }
            }
        };
        if let DiskOp::Create { file, .. } = &op {
            job.creating = Some(*file);
        }
        disk(out, id, op, io);
        None
    }

    /// Whether a label is the next one here: over that of `epoch`, or written already when its call is repeated.
    fn follows(&self, label: &Label, epoch: u64) -> bool {
        let own = self.label();
        own.map_or(0, |own| own.epoch) == epoch || own == Some(*label)
    }

    /// A disk operation of a job has completed.
    fn completed(&mut self, id: u64, result: DiskResult, out: &mut Effects) -> Result<(), String> {
        let Some(job) = self.jobs.get_mut(&id) else { return Ok(()) };
        if matches!(job.call, Call::Create { .. } | Call::Extend { .. }) {
            self.full = matches!(result, Err(DiskError::NoSpace));
        }
        let own = match (&job.call, result) {
            (Call::Hash { .. }, Ok(DiskReply::Data(block))) => {
                out.charge(Work::Kilobyte, block.len() as u64 / 1024);
                Answer::Hashes(vec![Some(xxh3_64(&block))])
            }
            (Call::Hash { .. }, Err(_)) => Answer::Hashes(vec![None]),
            (Call::Read { .. }, Ok(DiskReply::Data(block))) => Answer::Data(Bytes::from_owner(block)),
            (Call::Read { .. }, Err(error)) => Answer::Failed(error),
            (Call::Create { .. } | Call::Extend { .. }, Err(DiskError::NoSpace)) => Answer::Failed(DiskError::NoSpace),
            (_, Err(error)) => return Err(failed("a durable operation")(error)),
            (call @ (Call::SetLabel { .. } | Call::SetMending(_)), Ok(_)) => match self.contents.writer.completed() {
                Progress::Wait => return Ok(()),
                Progress::Write(writes) => {
                    write_label(out, id, writes);
                    return Ok(());
                }
                Progress::Complete => {
                    self.contents.record.noted = noted_by(call, self.contents.record.noted);
                    Answer::Done
                }
            },
            (Call::Create { .. } | Call::Remove(_), Ok(_)) if !job.naming => {
                job.naming = true;
                if let (Call::Create { name, len_bytes, .. }, Some(file)) = (&job.call, job.creating) {
                    self.contents.files.insert(name.clone(), (file, *len_bytes));
                }
                disk(out, id, DiskOp::SyncDir, IoClass::Metadata);
                return Ok(());
            }
            (Call::Create { len_bytes, .. }, Ok(_)) => Answer::Opened(*len_bytes),
            (Call::Remove(name), Ok(_)) => {
                self.contents.files.remove(name);
                Answer::Done
            }
            (Call::Extend { name, len_bytes, .. }, Ok(_)) => {
                if let Some((_, len)) = self.contents.files.get_mut(name) {
                    *len = (*len).max(*len_bytes);
                }
                Answer::Done
            }
            (_, Ok(_)) => Answer::Done,
        };
        job.own = Some(own);
        self.finish(id, out);
        Ok(())
    }

    fn step(&mut self, now: Nanos, event: Event, out: &mut Effects) -> Result<(), String> {
        match event {
            Event::Start => {
                if let Some(mirror) = &mut self.mirror {
                    mirror.connect(out);
                }
                self.phase = Phase::Starting(Box::new(Start::new(self.contents.record.identity.clone(), out)));
            }
            Event::Timer { timer } => {
                if !self.watchdog.timer(now, timer, out)?
                    && let Some(mirror) = &mut self.mirror
                {
                    mirror.timer(now, timer, out);
                }
            }
            Event::Frame { from, frame } => self.frame(now, from, &frame, out),
            Event::Disk { token, result } => {
                self.watchdog.completed(token);
                match &mut self.phase {
                    Phase::Built => {}
                    Phase::Starting(start) => {
                        if let Some(contents) = start.completed(token, result, out)? {
                            self.contents = contents;
                            self.phase = Phase::Serving;
                        }
                    }
                    Phase::Serving => self.completed(token.own(), result, out)?,
                }
            }
        }
        Ok(())
    }

    fn frame(&mut self, now: Nanos, from: NodeId, frame: &Frame, out: &mut Effects) {
        out.charge(Work::Message, 1);
        let serving = self.is_serving();
        match &mut self.mirror {
            Some(mirror) if mirror.is_peer(from) => {
                if let Some(Heard::Answer(id, answer)) = mirror.frame(now, frame, out)
                    && let Some(job) = self.jobs.get_mut(&id)
                {
                    job.mirror = Some(answer);
                    self.finish(id, out);
                }
            }
            // Before it serves it is as deaf as before it was started: the client asks again.
            _ if serving => {
                let first_hop = self.first_hop;
                let hop = |io| if first_hop { io } else { IoClass::Mirror };
                if let Some((ticket, io, call)) = self.callee.frame(from, frame, hop, out) {
                    self.start(now, ticket, io, call, out);
                }
            }
            _ => {}
        }
    }

    /// Answers a job whose parts are both done.
    fn finish(&mut self, id: u64, out: &mut Effects) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (Some(own), Some(mirror)) = (&job.own, &job.mirror) else { return };
        let answer = merge(own.clone(), mirror.clone());
        let ticket = job.ticket;
        self.jobs.remove(&id);
        self.callee.answer(ticket, &answer, out);
    }
}

/// The mirror carries out what is for it alone, and everything else as it came.
fn for_mirror(call: &Call) -> Call {
    let mut call = call.clone();
    match &mut call {
        Call::Create { at, .. } | Call::Extend { at, .. } | Call::Write { at, .. } => *at = Copies::Both,
        Call::Read { mirror, .. } => *mirror = false,
        Call::SetLabel { over, at, .. } => {
            (*over, *at) = (over.map(|[_, mirrors]| [mirrors, mirrors]), Copies::Both);
        }
        _ => {}
    }
    call
}

fn merge(own: Answer, mirror: Answer) -> Answer {
    match (own, mirror) {
        (Answer::Lists(mut own), Answer::Lists(mirror)) => {
            own.extend(mirror);
            Answer::Lists(own)
        }
        (Answer::Hashes(mut own), Answer::Hashes(mirror)) => {
            own.extend(mirror);
            Answer::Hashes(own)
        }
        (Answer::Labels(mut own), Answer::Labels(mirror)) => {
            own.extend(mirror);
            Answer::Labels(own)
        }
        (_, Answer::Failed(error)) => Answer::Failed(error),
        (_, Answer::Data(data)) => Answer::Data(data),
        (own, _) => own,
    }
}

/// What a volume's record says once it has carried out the call.
fn noted_by(call: &Call, before: Noted) -> Noted {
    match call {
        Call::SetLabel { label, .. } => Noted { label: Some(*label), ..before },
        Call::SetMending(mending) => Noted { mending: *mending, ..before },
        _ => before,
    }
}

fn is_whole(len_bytes: usize) -> bool {
    len_bytes > 0 && len_bytes.is_multiple_of(node::SECTOR_BYTES)
}

fn disk(out: &mut Effects, id: u64, op: DiskOp, class: IoClass) {
    out.disk(Token::new(0, id), op, class);
}

impl Node for VolumeNode {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        let first = out.len();
        match self.step(now, event, out) {
            Ok(()) => self.watchdog.watch(now, first, out),
            Err(reason) => out.halt(reason),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        self.callee.digest(digest);
        if let Some(mirror) = &self.mirror {
            mirror.digest(digest);
        }
        digest.word(self.jobs.len() as u64 ^ self.next_job << 32);
    }
}
