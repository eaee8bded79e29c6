//! Taking answers from below: settle the operation, keep the table of open files.

use std::sync::Arc;

use node::{DiskReply, DiskResult, FileName};

use super::executor::Completion;
use super::file::{DiskFile, disk_error_of};
use super::{Disks, FileAnswer, Kind, OpenFile, Operation, Settled};

impl Disks {
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

    pub(super) fn forget(&mut self, file: u64) {
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
}
