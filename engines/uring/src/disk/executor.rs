//! What carries out reads, writes and syncs: a ring, or a pool of blocking threads. Same requests, same answers.

use std::sync::Arc;

use node::{Block, Nanos};

use super::file::DiskFile;
use super::pool::Pool;
use super::ring::RingDisk;
use crate::inbox::Inbox;
use crate::mail::Mail;
use crate::sys;

/// One operation on an open file. The file and the memory live inside it until it is answered.
#[derive(Debug)]
pub(crate) struct Request {
    /// Comes back with the completion.
    pub(crate) op: u64,
    pub(crate) file: Arc<DiskFile>,
    pub(crate) action: Action,
}

/// What to do with the file.
#[derive(Debug)]
pub(crate) enum Action {
    /// Fill the block from `offset`.
    Read { offset: u64, data: Block },
    /// Write the block at `offset`.
    Write { offset: u64, data: Block, durable: bool },
    /// Make the file's completed writes durable.
    Sync,
    /// Make the directory's completed creations and removals durable.
    SyncNames,
}

/// The answer to one request.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) op: u64,
    /// The kernel's error number on failure.
    pub(crate) result: Result<(), i32>,
    /// The block of a read.
    pub(crate) data: Option<Block>,
}

/// One thread's way to its disks, and what that thread sleeps in.
#[derive(Debug)]
pub(crate) enum Executor {
    Ring(Box<RingDisk>),
    Pool(PoolDisk),
}

/// Blocking threads that answer through the inbox.
#[derive(Debug)]
pub(crate) struct PoolDisk {
    pub(crate) pool: Arc<Pool>,
    pub(crate) inbox: Arc<Inbox<Mail>>,
}

impl Executor {
    /// Takes a request; it reaches the kernel at the next [`Executor::flush`] or [`Executor::wait`] at the latest.
    pub(crate) fn start(&mut self, request: Request) {
        match self {
            Executor::Ring(ring) => ring.start(request),
            Executor::Pool(disk) => {
                let inbox = Arc::clone(&disk.inbox);
                disk.pool.run(move || inbox.put(Mail::Disk(perform(request))));
            }
        }
    }

    /// Registers a file where the executor keeps a table of them.
    pub(crate) fn register(&mut self, file: &std::fs::File) -> Option<u32> {
        match self {
            Executor::Ring(ring) => ring.register(file),
            Executor::Pool(_) => None,
        }
    }

    /// Forgets a registered file no request uses any more.
    pub(crate) fn unregister(&mut self, fixed: u32) {
        if let Executor::Ring(ring) = self {
            ring.unregister(fixed);
        }
    }

    /// Hands over what was started and collects what is done, without sleeping.
    pub(crate) fn flush(&mut self, done: &mut Vec<Completion>) {
        if let Executor::Ring(ring) = self {
            ring.flush(done);
        }
    }

    /// Hands over what was started, sleeps until something is done, the inbox wakes this thread or `timeout` is
    /// over, and collects what is done. Returns whether it was the timeout.
    pub(crate) fn wait(&mut self, timeout: Option<Nanos>, done: &mut Vec<Completion>) -> bool {
        match self {
            Executor::Ring(ring) => ring.wait(timeout, done),
            Executor::Pool(disk) => {
                let timed_out = disk.inbox.wake().wait(timeout);
                disk.inbox.wake().drain();
                timed_out
            }
        }
    }

    /// Requests waiting to be handed over.
    pub(crate) fn unsubmitted(&self) -> usize {
        match self {
            Executor::Ring(ring) => ring.unsubmitted(),
            Executor::Pool(_) => 0,
        }
    }
}

fn perform(request: Request) -> Completion {
    let Request { op, file, action } = request;
    let file = &file.file;
    let (result, data) = match action {
        Action::Read { offset, mut data } => (sys::read_all_at(file, &mut data, offset), Some(data)),
        Action::Write { offset, data, durable } => (sys::write_all_at(file, &data, offset, durable), None),
        Action::Sync => (file.sync_data(), None),
        Action::SyncNames => (file.sync_all(), None),
    };
    let result = result.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO));
    Completion { op, result, data }
}
