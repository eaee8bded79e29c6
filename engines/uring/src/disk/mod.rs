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
mod harm;
pub(crate) mod pool;
pub(crate) mod ring;
mod service;
mod settle;
mod slab;
mod submit;

use std::collections::BTreeMap;
use std::sync::Arc;

use node::fault::Ailing;
use node::{DiskError, DiskOp, DiskResult, FileId, FileName, Nanos, Token};
use rustc_hash::FxHashMap;

pub(crate) use service::Service;

use self::executor::{Completion, Executor};
use self::file::{Directory, DiskFile};
use self::pool::Pool;
use crate::inbox::Inbox;
use crate::journal::Journal;
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
    /// Sectors that are not what they should be, by file; empty but for faults.
    ailing: BTreeMap<FileName, Ailing>,
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
                let (files, ailing) = (FxHashMap::default(), BTreeMap::new());
                Some(Volume { node, directory, names, files, in_flight: 0, service, ailing })
            }
        };
        self.volumes.push(volume);
        Ok(())
    }

    /// The model and faults of a host's disk.
    pub(crate) fn service_mut(&mut self, host: usize) -> Option<&mut Service> {
        self.volumes[host].as_mut().map(|volume| &mut volume.service)
    }

    /// The model and faults of a host's disk.
    pub(crate) fn service(&self, host: usize) -> Option<&Service> {
        self.volumes[host].as_ref().map(|volume| &volume.service)
    }

    /// Whether the operation writes to a file whose name begins with `files`.
    pub(crate) fn is_write_to(&self, host: usize, op: &DiskOp, files: &str) -> bool {
        let DiskOp::Write { file, .. } = op else { return false };
        self.open_file(host, *file).is_some_and(|open| open.name.as_str().starts_with(files))
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
}
