//! The disks of the nodes of one thread.
//!
//! [`Disks`] checks each request against the contract, applies the disk model and the faults in force, keeps the
//! table from operations to tokens, and answers every token once. What touches the kernel is below it: a ring
//! ([`ring`]) or a pool of blocking threads ([`pool`]); opening, making, listing and removing files always go to the
//! pool, because they block for as long as the file system likes.
//!
//! # Invariants
//!
//! - Every operation submitted is settled exactly once, failed and refused ones included.
//! - An operation of an earlier incarnation is settled too, marked as such, and its thread drops it.
//! - A file is closed only after the last operation on it has completed.

pub(crate) mod executor;
pub(crate) mod file;
pub(crate) mod pool;
pub(crate) mod ring;
mod service;
mod slab;

use std::sync::Arc;

use node::{Block, DiskError, DiskOp, DiskReply, DiskResult, FileId, FileName, Nanos, SECTOR_BYTES, Token};
use rustc_hash::FxHashMap;

pub(crate) use service::Service;

use self::executor::{Action, Completion, Executor, Request};
use self::file::{Directory, DiskFile, disk_error, disk_error_of};
use self::pool::Pool;
use crate::inbox::Inbox;
use crate::journal::{Journal, JournalOp};
use crate::mail::Mail;
use crate::slots::Slots;

/// An operation's end.
#[derive(Debug)]
pub(crate) struct Settled {
    /// Whose, as an index into the thread's hosts.
    pub(crate) host: usize,
    /// Which incarnation of the node asked.
    pub(crate) incarnation: u64,
    pub(crate) token: Token,
    pub(crate) result: DiskResult,
    /// Service time to add before the node learns of it.
    pub(crate) delay: Nanos,
}

/// What the pool found out about a file.
#[derive(Debug)]
pub(crate) enum FileAnswer {
    /// Opened or made, with its length.
    Opened(std::fs::File, u64),
    /// Grown to this length.
    Grown(u64),
    /// Removed.
    Removed,
    /// Listed.
    Names(Vec<(FileName, u64)>),
    /// None of it.
    Failed(DiskError),
}

/// The disks of one thread.
#[derive(Debug)]
pub(crate) struct Disks {
    executor: Executor,
    pool: Arc<Pool>,
    inbox: Arc<Inbox<Mail>>,
    volumes: Vec<Option<Volume>>,
    files: Slots<OpenFile>,
    operations: Slots<Operation>,
    settled: Vec<Settled>,
    done: Vec<Completion>,
    journal: Option<Arc<Journal>>,
}

/// One node's directory.
#[derive(Debug)]
struct Volume {
    node: node::NodeId,
    directory: Arc<Directory>,
    /// The open directory itself, to sync its names.
    names: Arc<DiskFile>,
    files: FxHashMap<FileId, u64>,
    in_flight: usize,
    service: Service,
}

#[derive(Debug)]
struct OpenFile {
    file: Arc<DiskFile>,
    name: FileName,
    len_bytes: u64,
    operations: u32,
    forgotten: bool,
    journal_file: u64,
}

#[derive(Debug)]
struct Operation {
    host: usize,
    incarnation: u64,
    token: Token,
    kind: Kind,
    delay: Nanos,
    /// Reported instead of success, by a fault in force.
    fail: Option<DiskError>,
    journal_op: u64,
}

#[derive(Debug)]
enum Kind {
    Open { file: FileId, name: FileName },
    Create { file: FileId, name: FileName, len_bytes: u64, journal_file: u64 },
    Extend { file: u64 },
    Transfer { file: u64 },
    SyncDir,
    Remove { name: FileName },
    List,
}

impl Disks {
    pub(crate) fn new(executor: Executor, pool: Arc<Pool>, inbox: Arc<Inbox<Mail>>) -> Disks {
        Disks {
            executor,
            pool,
            inbox,
            volumes: Vec::new(),
            files: Slots::default(),
            operations: Slots::default(),
            settled: Vec::new(),
            done: Vec::new(),
            journal: None,
        }
    }

    pub(crate) fn record_into(&mut self, journal: Arc<Journal>) {
        self.journal = Some(journal);
    }

    /// Adds the disk of the next host, or says that it has none.
    pub(crate) fn add(&mut self, disk: Option<(node::NodeId, Directory, Service)>) -> std::io::Result<()> {
        let volume = match disk {
            None => None,
            Some((node, directory, service)) => {
                let names = std::fs::File::open(&directory.path)?;
                let fixed = self.executor.register(&names);
                let names = Arc::new(DiskFile::new(names, fixed));
                let directory = Arc::new(directory);
                Some(Volume { node, directory, names, files: FxHashMap::default(), in_flight: 0, service })
            }
        };
        self.volumes.push(volume);
        Ok(())
    }

    /// The model and faults of a host's disk.
    pub(crate) fn service_mut(&mut self, host: usize) -> Option<&mut Service> {
        self.volumes[host].as_mut().map(|volume| &mut volume.service)
    }

    /// Operations of the host, of any incarnation, that have not completed.
    pub(crate) fn in_flight(&self, host: usize) -> usize {
        self.volumes[host].as_ref().map_or(0, |volume| volume.in_flight)
    }

    /// Operations of all hosts that have not completed.
    pub(crate) fn in_flight_all(&self) -> usize {
        self.operations.len()
    }

    /// Drops the file numbers of a crashed node; its files are closed when their last operation completes.
    pub(crate) fn forget_files(&mut self, host: usize) {
        let Some(volume) = self.volumes[host].as_mut() else { return };
        for (_, key) in std::mem::take(&mut volume.files) {
            self.forget(key);
        }
    }

    /// Takes an operation of a node.
    pub(crate) fn submit(&mut self, host: usize, incarnation: u64, token: Token, op: DiskOp) {
        let Some(volume) = self.volumes[host].as_mut() else {
            let result = Err(DiskError::Io { errno: libc::ENODEV });
            self.settled.push(Settled { host, incarnation, token, result, delay: Nanos::ZERO });
            return;
        };
        let verdict = volume.service.judge(&op);
        let refused = match (verdict.fail.clone(), verdict.performed) {
            (Some(error), false) => Some(error),
            _ => self.check(host, &op).err(),
        };
        if let Some(error) = refused {
            self.settled.push(Settled { host, incarnation, token, result: Err(error), delay: verdict.delay });
            return;
        }
        let kind = self.kind(host, &op);
        if let Kind::Transfer { file } | Kind::Extend { file } = kind {
            self.files.get_mut(file).expect("checked").operations += 1;
        }
        let journal_op = self.journal_submission(host, &kind, &op);
        self.volumes[host].as_mut().expect("checked").in_flight += 1;
        let operation =
            Operation { host, incarnation, token, kind, delay: verdict.delay, fail: verdict.fail, journal_op };
        let key = self.operations.insert(operation);
        self.start(host, key, op);
    }

    /// Hands over what was submitted and takes in what is done, without sleeping.
    pub(crate) fn flush(&mut self) {
        let mut done = std::mem::take(&mut self.done);
        self.executor.flush(&mut done);
        self.finish_all(done);
    }

    /// The same, sleeping for at most `timeout` until there is something to do.
    /// Returns whether the whole of `timeout` was slept.
    pub(crate) fn wait(&mut self, timeout: Option<Nanos>) -> bool {
        let mut done = std::mem::take(&mut self.done);
        let timed_out = self.executor.wait(timeout, &mut done);
        self.finish_all(done);
        timed_out
    }

    fn finish_all(&mut self, mut done: Vec<Completion>) {
        for completion in done.drain(..) {
            self.complete(completion);
        }
        self.done = done;
    }

    /// Operations taken and not yet handed to the kernel.
    pub(crate) fn unsubmitted(&self) -> usize {
        self.executor.unsubmitted()
    }

    /// Whether something has been settled and not taken yet.
    pub(crate) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Swaps what has been settled into `empty`, which must be empty.
    pub(crate) fn take_settled(&mut self, empty: &mut Vec<Settled>) {
        debug_assert!(empty.is_empty());
        std::mem::swap(&mut self.settled, empty);
    }

    /// Takes in the answer to a read, write or sync.
    pub(crate) fn complete(&mut self, completion: Completion) {
        let operation = self.operations.remove(completion.op).expect("the executor answers what it was asked");
        if let Kind::Transfer { file } = operation.kind {
            self.end_use(file);
        }
        let result = match completion.result {
            Ok(()) => Ok(completion.data.map_or(DiskReply::Done, DiskReply::Data)),
            Err(errno) => Err(disk_error_of(errno)),
        };
        self.settle(operation, result);
    }

    /// Takes in the pool's answer about a file.
    pub(crate) fn file_answered(&mut self, op: u64, answer: FileAnswer) {
        let operation = self.operations.remove(op).expect("the pool answers what it was asked");
        let result = match (&operation.kind, answer) {
            (Kind::Extend { file }, answer) => {
                let file = *file;
                let result = match answer {
                    FileAnswer::Grown(len_bytes) => {
                        let open = self.files.get_mut(file).expect("in use");
                        open.len_bytes = open.len_bytes.max(len_bytes);
                        Ok(DiskReply::Done)
                    }
                    FileAnswer::Failed(error) => Err(error),
                    other => unreachable!("{other:?} answers no extension"),
                };
                self.end_use(file);
                result
            }
            (_, FileAnswer::Failed(error)) => Err(error),
            (_, FileAnswer::Names(names)) => Ok(DiskReply::Names(names)),
            (Kind::Remove { name }, _) => {
                self.forget_name(operation.host, name);
                Ok(DiskReply::Done)
            }
            (_, FileAnswer::Opened(file, len_bytes)) => {
                self.opened(&operation, file, len_bytes);
                Ok(DiskReply::Opened { len_bytes })
            }
            (kind, answer) => unreachable!("{answer:?} does not answer {kind:?}"),
        };
        self.settle(operation, result);
    }

    fn settle(&mut self, operation: Operation, result: DiskResult) {
        if let Some(journal) = &self.journal {
            journal.completed(operation.journal_op, result.is_ok());
        }
        let Operation { host, incarnation, token, delay, fail, .. } = operation;
        self.volumes[host].as_mut().expect("it has operations").in_flight -= 1;
        let result = fail.map_or(result, Err);
        self.settled.push(Settled { host, incarnation, token, result, delay });
    }

    fn check(&self, host: usize, op: &DiskOp) -> Result<(), DiskError> {
        let sector = SECTOR_BYTES as u64;
        let aligned = |bytes: u64| {
            if bytes.is_multiple_of(sector) { Ok(()) } else { Err(DiskError::Io { errno: libc::EINVAL }) }
        };
        let inside = |file: FileId, offset: u64, len_bytes: u64| {
            let open = self.open_file(host, file).ok_or(DiskError::Io { errno: libc::EBADF })?;
            aligned(offset | len_bytes)?;
            match offset.checked_add(len_bytes) {
                Some(end) if end <= open.len_bytes => Ok(()),
                _ => Err(DiskError::OutOfRange { len_bytes: open.len_bytes }),
            }
        };
        match op {
            DiskOp::Read { len_bytes: 0, .. } => Err(DiskError::Io { errno: libc::EINVAL }),
            DiskOp::Read { file, offset, len_bytes } => inside(*file, *offset, *len_bytes as u64),
            DiskOp::Write { file, offset, data, .. } => inside(*file, *offset, data.len() as u64),
            DiskOp::Sync { file } => inside(*file, 0, 0),
            DiskOp::Extend { file, len_bytes } => inside(*file, 0, 0).and(aligned(*len_bytes)),
            DiskOp::Create { len_bytes, .. } => aligned(*len_bytes),
            DiskOp::List | DiskOp::Open { .. } | DiskOp::SyncDir | DiskOp::Remove { .. } => Ok(()),
        }
    }

    fn open_file(&self, host: usize, file: FileId) -> Option<&OpenFile> {
        let key = self.volumes[host].as_ref()?.files.get(&file)?;
        self.files.get(*key)
    }

    fn kind(&self, host: usize, op: &DiskOp) -> Kind {
        let key = |file: &FileId| self.volumes[host].as_ref().expect("checked").files[file];
        match op {
            DiskOp::List => Kind::List,
            DiskOp::SyncDir => Kind::SyncDir,
            DiskOp::Open { file, name } => Kind::Open { file: *file, name: name.clone() },
            DiskOp::Create { file, name, len_bytes } => {
                let journal_file = self.journal.as_ref().map_or(0, |journal| journal.new_file());
                Kind::Create { file: *file, name: name.clone(), len_bytes: *len_bytes, journal_file }
            }
            DiskOp::Extend { file, .. } => Kind::Extend { file: key(file) },
            DiskOp::Read { file, .. } | DiskOp::Write { file, .. } | DiskOp::Sync { file } => {
                Kind::Transfer { file: key(file) }
            }
            DiskOp::Remove { name } => Kind::Remove { name: name.clone() },
        }
    }

    fn start(&mut self, host: usize, op: u64, asked: DiskOp) {
        let volume = self.volumes[host].as_ref().expect("checked");
        let file = |file: &FileId| Arc::clone(&self.files.get(volume.files[file]).expect("checked").file);
        let request = |file, action| Request { op, file, action };
        match asked {
            DiskOp::Read { file: id, offset, len_bytes } => {
                let action = Action::Read { offset, data: Block::zeroed(len_bytes) };
                self.executor.start(request(file(&id), action));
            }
            DiskOp::Write { file: id, offset, data, durable } => {
                self.executor.start(request(file(&id), Action::Write { offset, data, durable }));
            }
            DiskOp::Sync { file: id } => self.executor.start(request(file(&id), Action::Sync)),
            DiskOp::SyncDir => self.executor.start(request(Arc::clone(&volume.names), Action::SyncNames)),
            DiskOp::Extend { file: id, len_bytes } => {
                let file = file(&id);
                self.ask_pool(op, host, move |_| file.extend(len_bytes).map(FileAnswer::Grown));
            }
            DiskOp::Open { name, .. } => self.ask_pool(op, host, move |directory| {
                directory.open(&name).map(|(file, len_bytes)| FileAnswer::Opened(file, len_bytes))
            }),
            DiskOp::Create { name, len_bytes, .. } => self.ask_pool(op, host, move |directory| {
                directory.create(&name, len_bytes).map(|file| FileAnswer::Opened(file, len_bytes))
            }),
            DiskOp::Remove { name } => {
                self.ask_pool(op, host, move |directory| directory.remove(&name).map(|()| FileAnswer::Removed));
            }
            DiskOp::List => self.ask_pool(op, host, |directory| directory.list().map(FileAnswer::Names)),
        }
    }

    fn ask_pool(
        &self,
        op: u64,
        host: usize,
        ask: impl FnOnce(&Directory) -> std::io::Result<FileAnswer> + Send + 'static,
    ) {
        let inbox = Arc::clone(&self.inbox);
        let directory = Arc::clone(&self.volumes[host].as_ref().expect("checked").directory);
        self.pool.run(move || {
            let answer = ask(&directory).unwrap_or_else(|error| FileAnswer::Failed(disk_error(&error)));
            inbox.put(Mail::File { op, answer });
        });
    }

    fn opened(&mut self, operation: &Operation, file: std::fs::File, len_bytes: u64) {
        let volume = self.volumes[operation.host].as_ref().expect("it has operations");
        let (id, name, journal_file) = match &operation.kind {
            Kind::Open { file, name } => {
                let known = self.journal.as_ref().map(|journal| journal.file_named(volume.node, name));
                (*file, name, known.unwrap_or(0))
            }
            Kind::Create { file, name, journal_file, .. } => (*file, name, *journal_file),
            other => unreachable!("{other:?} opens no file"),
        };
        let fixed = self.executor.register(&file);
        let file = Arc::new(DiskFile::new(file, fixed));
        let open = OpenFile { file, name: name.clone(), len_bytes, operations: 0, forgotten: false, journal_file };
        let key = self.files.insert(open);
        let volume = self.volumes[operation.host].as_mut().expect("it has operations");
        if let Some(earlier) = volume.files.insert(id, key) {
            self.forget(earlier);
        }
    }

    fn forget_name(&mut self, host: usize, name: &FileName) {
        let files = &self.files;
        let volume = self.volumes[host].as_mut().expect("it has operations");
        let mut gone = Vec::new();
        volume.files.retain(|_, key| {
            let keep = files.get(*key).is_some_and(|open| open.name != *name);
            if !keep {
                gone.push(*key);
            }
            keep
        });
        for key in gone {
            self.forget(key);
        }
    }

    fn forget(&mut self, file: u64) {
        self.files.get_mut(file).expect("numbered files are open").forgotten = true;
        self.close_if_unused(file);
    }

    fn end_use(&mut self, file: u64) {
        self.files.get_mut(file).expect("in use").operations -= 1;
        self.close_if_unused(file);
    }

    fn close_if_unused(&mut self, file: u64) {
        if self.files.get(file).is_some_and(|open| open.forgotten && open.operations == 0) {
            let open = self.files.remove(file).expect("just seen");
            if let Some(fixed) = open.file.fixed {
                self.executor.unregister(fixed);
            }
            // Closing the last handle of a removed file frees its blocks, which may take long.
            self.pool.run(move || drop(open.file));
        }
    }

    fn journal_submission(&self, host: usize, kind: &Kind, op: &DiskOp) -> u64 {
        let Some(journal) = &self.journal else { return 0 };
        let number = |key: &u64| self.files.get(*key).expect("checked").journal_file;
        let what = match (op, kind) {
            (DiskOp::Write { offset, data, durable, .. }, Kind::Transfer { file }) => {
                let data = bytes::Bytes::copy_from_slice(data);
                JournalOp::Write { file: number(file), offset: *offset, data, durable: *durable }
            }
            (DiskOp::Sync { .. }, Kind::Transfer { file }) => JournalOp::Sync { file: number(file) },
            (DiskOp::Extend { len_bytes, .. }, Kind::Extend { file }) => {
                JournalOp::Extend { file: number(file), len_bytes: *len_bytes }
            }
            (_, Kind::Create { name, len_bytes, journal_file, .. }) => {
                JournalOp::Create { file: *journal_file, name: name.clone(), len_bytes: *len_bytes }
            }
            (_, Kind::Remove { name }) => JournalOp::Remove { name: name.clone() },
            (_, Kind::SyncDir) => JournalOp::SyncDir,
            _ => return 0,
        };
        journal.submitted(self.volumes[host].as_ref().expect("checked").node, what)
    }
}
