//! Taking operations from nodes: check against the contract, apply faults, hand down.

use std::sync::Arc;

use bytes::Bytes;
use node::{Block, DiskError, DiskOp, FileId, Nanos, SECTOR_BYTES, Token};

use super::executor::{Action, Request};
use super::file::{Directory, disk_error};
use super::harm::Course;
use super::{Disks, FileAnswer, Kind, OpenFile, Operation, Settled};
use crate::journal::JournalOp;
use crate::mail::Mail;

impl Disks {
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
        let op = if self.volumes[host].as_ref().is_some_and(|volume| volume.is_harmed(&verdict)) {
            match self.harm(host, op, &verdict) {
                Course::Done(op) => op,
                Course::Answered(result) => {
                    self.settled.push(Settled { host, incarnation, token, result, delay: verdict.delay });
                    return;
                }
            }
        } else {
            op
        };
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

    /// The zeroes that an extension will add to its file; `None` for what extends nothing.
    pub(crate) fn growth(&self, host: usize, op: &DiskOp) -> Option<u64> {
        let DiskOp::Extend { file, len_bytes } = op else { return None };
        let now = self.open_file(host, *file)?.len_bytes;
        (*len_bytes > now).then(|| len_bytes - now)
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

    pub(super) fn open_file(&self, host: usize, file: FileId) -> Option<&OpenFile> {
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

    fn journal_submission(&self, host: usize, kind: &Kind, op: &DiskOp) -> u64 {
        let Some(journal) = &self.journal else { return 0 };
        let number = |key: &u64| self.files.get(*key).expect("checked").journal_file;
        let what = match (op, kind) {
            (DiskOp::Write { offset, data, durable, .. }, Kind::Transfer { file }) => {
                let data = Bytes::copy_from_slice(data);
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
