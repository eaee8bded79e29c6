//! The block server: a disk that answers when its own copy and its mirror's are durable.

use std::collections::BTreeMap;

use bytes::Bytes;
use compute::Planted;
use node::{
    Block, Digest, DiskError, DiskOp, DiskReply, DiskResult, Effects, Event, FileId, FileName, IoClass, Nanos, Node,
    NodeId, Rng, TimerId, Token, Work,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::copies::{self, CopyWriter, CopyWrites, Picked, Progress, Standing};
use crate::mirror::{Answer, Call, Callee, Caller, Copies, Heard, Label, Ticket};
use crate::planted::Bug;

const TIMER: TimerId = TimerId::new(0, 1);
const LABEL: FileId = FileId(0);
const LABEL_NAME: &str = "volume-label";
const LABEL_KIND: u16 = 2;

/// What a volume is made with.
#[derive(Clone, Debug)]
pub struct VolumeNodeConfig {
    /// Who may call.
    pub clients: Vec<NodeId>,
    /// Its mirror, if it has one.
    pub mirror: Option<NodeId>,
    /// Whether its client is the database node. Answers then keep the call's class; between servers they are `Mirror`.
    pub first_hop: bool,
    /// When to repeat a call to the mirror.
    pub retransmit: Nanos,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

/// The node. Every write is durable before it is answered; a failed write halts it.
#[derive(Clone, Debug)]
pub struct VolumeNode {
    callee: Callee,
    mirror: Option<Caller>,
    first_hop: bool,
    phase: Phase,
    files: BTreeMap<FileName, (FileId, u64)>,
    next_file: u32,
    label: Option<Label>,
    label_writer: CopyWriter,
    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    full: bool,
    planted: Planted<Bug>,
}

/// Before serving, everything found is synced: a killed process may have left writes that are visible and not durable.
#[derive(Clone, Debug)]
enum Phase {
    Listing,
    Opening(usize),
    Syncing(usize),
    MakingLabel(usize),
    ReadingLabel,
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
            phase: Phase::Listing,
            files: BTreeMap::new(),
            next_file: 1,
            label: None,
            label_writer: CopyWriter::new(LABEL_KIND, Standing::default()),
            jobs: BTreeMap::new(),
            next_job: 1,
            full: false,
            planted: config.planted,
        }
    }

    /// The label, once it is read.
    pub fn label(&self) -> Option<Label> {
        self.label
    }

    /// Whether calls are served.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    /// Whether its disk had no space for the last file that was to be made or grown.
    pub fn is_full(&self) -> bool {
        self.full
    }

    fn booted(&mut self, result: DiskResult, out: &mut Effects) -> Result<(), String> {
        match &mut self.phase {
            Phase::Listing => {
                let DiskReply::Names(names) = result.map_err(failed("listing the directory"))? else {
                    unreachable!("a listing is answered by names")
                };
                for (name, len_bytes) in names {
                    let file = if name.as_str() == LABEL_NAME { LABEL } else { self.new_file() };
                    disk(out, file.0.into(), DiskOp::Open { file, name: name.clone() }, IoClass::Metadata);
                    self.files.insert(name, (file, len_bytes));
                }
                self.phase = Phase::Opening(self.files.len());
                self.boot_further(out);
            }
            Phase::Opening(left) | Phase::Syncing(left) | Phase::MakingLabel(left) => {
                result.map_err(failed("opening and syncing what was found"))?;
                *left -= 1;
                self.boot_further(out);
            }
            Phase::ReadingLabel => {
                let DiskReply::Data(file) = result.map_err(failed("reading the label"))? else {
                    unreachable!("a read is answered by data")
                };
                match copies::pick(LABEL_KIND, &file) {
                    Picked::Found { standing, body, .. } => {
                        self.label = Label::decode(&body);
                        self.label_writer = CopyWriter::new(LABEL_KIND, standing);
                    }
                    Picked::Version(found) => {
                        return Err(format!(
                            "the volume's label has format version {found}, this program reads {}; use the program that \
                             wrote it",
                            copies::FORMAT_VERSION
                        ));
                    }
                    // Without a label the copies are compared.
                    Picked::Blank | Picked::Damaged => {}
                }
                self.files.remove(&FileName::new(LABEL_NAME));
                self.phase = Phase::Serving;
            }
            Phase::Serving => {}
        }
        Ok(())
    }

    fn boot_further(&mut self, out: &mut Effects) {
        let label = FileName::new(LABEL_NAME);
        match self.phase {
            Phase::Opening(0) => {
                for (file, _) in self.files.values() {
                    disk(out, file.0.into(), DiskOp::Sync { file: *file }, IoClass::Metadata);
                }
                self.phase = Phase::Syncing(self.files.len());
                if self.files.is_empty() {
                    self.boot_further(out);
                }
            }
            Phase::Syncing(0)
                if self.files.get(&label).is_none_or(|(_, len_bytes)| *len_bytes < copies::FILE_BYTES) =>
            {
                let op = DiskOp::Create { file: LABEL, name: label.clone(), len_bytes: copies::FILE_BYTES };
                disk(out, 0, op, IoClass::Metadata);
                self.files.insert(label, (LABEL, copies::FILE_BYTES));
                self.phase = Phase::MakingLabel(2);
            }
            Phase::MakingLabel(1) => disk(out, 0, DiskOp::SyncDir, IoClass::Metadata),
            Phase::Syncing(0) | Phase::MakingLabel(0) => {
                let op = DiskOp::Read { file: LABEL, offset: 0, len_bytes: copies::FILE_BYTES as usize };
                disk(out, 0, op, IoClass::Metadata);
                self.phase = Phase::ReadingLabel;
            }
            _ => {}
        }
    }

    fn new_file(&mut self) -> FileId {
        self.next_file += 1;
        FileId(self.next_file)
    }

    fn start(&mut self, now: Nanos, ticket: Ticket, io: IoClass, call: Call, out: &mut Effects) {
        let id = self.next_job;
        self.next_job += 1;
        let own_only =
            matches!(call, Call::Open(_) | Call::Read { mirror: false, .. } | Call::Write { at: Copies::Own, .. });
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
            Call::Create { mirror_only: true, .. }
            | Call::Extend { mirror_only: true, .. }
            | Call::Write { at: Copies::Mirror, .. }
            | Call::Read { mirror: true, .. } => return Some(Answer::Done),
            Call::List => {
                let files = self.files.iter().map(|(name, (_, len_bytes))| (name.clone(), *len_bytes));
                return Some(Answer::Lists(vec![files.collect()]));
            }
            Call::Open(name) => {
                let found = self.files.get(name).map(|(_, len_bytes)| Answer::Opened(*len_bytes));
                return Some(found.unwrap_or(Answer::Failed(DiskError::NotFound)));
            }
            Call::GetLabel => return Some(Answer::Labels(vec![self.label])),
            Call::SetLabel(label) => {
                if self.label_writer.is_busy() {
                    // The client asks for one at a time; a second one comes from a client that is gone by now.
                    return Some(Answer::Failed(DiskError::EIO));
                }
                let writes = self.label_writer.begin(label.encode().to_vec());
                write_label(out, id, writes);
                return None;
            }
            Call::Create { name, len_bytes, .. } => {
                let file = self.new_file();
                DiskOp::Create { file, name: name.clone(), len_bytes: *len_bytes }
            }
            Call::Remove(name) => DiskOp::Remove { name: name.clone() },
            Call::Extend { name, len_bytes, .. } => match self.files.get(name) {
                Some((file, _)) => DiskOp::Extend { file: *file, len_bytes: *len_bytes },
                None => return Some(Answer::Failed(DiskError::NotFound)),
            },
            Call::Write { name, offset, data, .. } => match self.files.get(name) {
                Some((file, _)) if is_whole(data.len()) => {
                    out.charge(Work::Kilobyte, data.len() as u64 / 1024);
                    DiskOp::Write { file: *file, offset: *offset, data: Block::padded(data), durable: true }
                }
                _ => return Some(Answer::Failed(DiskError::NotFound)),
            },
            Call::Read { name, offset, len_bytes, .. } | Call::Hash { name, offset, len_bytes } => {
                match self.files.get(name) {
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
            (Call::Read { .. }, Ok(DiskReply::Data(block))) => Answer::Data(Bytes::copy_from_slice(&block)),
            (Call::Read { .. }, Err(error)) => Answer::Failed(error),
            (Call::Create { .. } | Call::Extend { .. }, Err(DiskError::NoSpace)) => Answer::Failed(DiskError::NoSpace),
            (_, Err(error)) => return Err(failed("a durable operation")(error)),
            (Call::SetLabel(label), Ok(_)) => match self.label_writer.completed() {
                Progress::Wait => return Ok(()),
                Progress::Write(writes) => {
                    write_label(out, id, writes);
                    return Ok(());
                }
                Progress::Complete => {
                    self.label = Some(*label);
                    Answer::Done
                }
            },
            (Call::Create { .. } | Call::Remove(_), Ok(_)) if !job.naming => {
                job.naming = true;
                if let (Call::Create { name, len_bytes, .. }, Some(file)) = (&job.call, job.creating) {
                    self.files.insert(name.clone(), (file, *len_bytes));
                }
                disk(out, id, DiskOp::SyncDir, IoClass::Metadata);
                return Ok(());
            }
            (Call::Create { len_bytes, .. }, Ok(_)) => Answer::Opened(*len_bytes),
            (Call::Remove(name), Ok(_)) => {
                self.files.remove(name);
                Answer::Done
            }
            (Call::Extend { name, len_bytes, .. }, Ok(_)) => {
                if let Some((_, len)) = self.files.get_mut(name) {
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
        Call::Create { mirror_only, .. } | Call::Extend { mirror_only, .. } => *mirror_only = false,
        Call::Write { at, .. } => *at = Copies::Both,
        Call::Read { mirror, .. } => *mirror = false,
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

fn failed(during: &'static str) -> impl Fn(DiskError) -> String {
    move |error| format!("the volume's disk failed during {during}: {error}; restart to recover")
}

fn is_whole(len_bytes: usize) -> bool {
    len_bytes > 0 && len_bytes.is_multiple_of(node::SECTOR_BYTES)
}

fn disk(out: &mut Effects, id: u64, op: DiskOp, class: IoClass) {
    out.disk(Token::new(0, id), op, class);
}

/// The copies share their job's token; the writer counts them.
fn write_label(out: &mut Effects, id: u64, writes: CopyWrites) {
    for (offset, data) in writes {
        disk(out, id, DiskOp::Write { file: LABEL, offset, data, durable: true }, IoClass::Metadata);
    }
}

impl Node for VolumeNode {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        let outcome = match event {
            Event::Start => {
                if let Some(mirror) = &mut self.mirror {
                    mirror.connect(out);
                }
                disk(out, 0, DiskOp::List, IoClass::Metadata);
                Ok(())
            }
            Event::Timer { timer } => {
                if let Some(mirror) = &mut self.mirror {
                    mirror.timer(now, timer, out);
                }
                Ok(())
            }
            Event::Frame { from, frame } => {
                out.charge(Work::Message, 1);
                let serving = self.is_serving();
                match &mut self.mirror {
                    Some(mirror) if mirror.is_peer(from) => {
                        if let Some(Heard::Answer(id, answer)) = mirror.frame(now, &frame, out)
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
                        if let Some((ticket, io, call)) = self.callee.frame(from, &frame, hop, out) {
                            self.start(now, ticket, io, call, out);
                        }
                    }
                    _ => {}
                }
                Ok(())
            }
            Event::Disk { token, result } if self.is_serving() => self.completed(token.own(), result, out),
            Event::Disk { result, .. } => self.booted(result, out),
        };
        if let Err(reason) = outcome {
            out.halt(reason);
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
