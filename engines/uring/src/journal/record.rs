//! What is recorded, and in what order.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use node::{FileName, NodeId};

use super::image::Disk;

/// A change to a node's disk, as submitted. Files are numbered by the journal: a name may come to mean another file.
#[derive(Clone, Debug)]
pub enum JournalOp {
    /// A write.
    Write {
        /// The journal's number of the file.
        file: u64,
        /// Where, in bytes.
        offset: u64,
        /// What.
        data: Bytes,
        /// Whether it is durable when it completes.
        durable: bool,
    },
    /// A sync of a file's completed writes.
    Sync {
        /// The journal's number of the file.
        file: u64,
    },
    /// A file made of durable zeroes under a name that is not durable yet.
    Create {
        /// The journal's number of the file.
        file: u64,
        /// Its name.
        name: FileName,
        /// Its length.
        len_bytes: u64,
    },
    /// Durable zeroes added to a file.
    Extend {
        /// The journal's number of the file.
        file: u64,
        /// Its new length.
        len_bytes: u64,
    },
    /// A removal.
    Remove {
        /// The name removed.
        name: FileName,
    },
    /// A sync of the directory's completed creations and removals.
    SyncDir,
}

/// One entry of the journal.
#[derive(Clone, Debug)]
pub enum JournalRecord {
    /// An operation was handed over.
    Submitted {
        /// Its number in the journal.
        op: u64,
        /// Whose disk.
        node: NodeId,
        /// What.
        what: JournalOp,
    },
    /// An operation ended.
    Completed {
        /// Its number in the journal.
        op: u64,
        /// Whether it succeeded.
        ok: bool,
    },
    /// A frame was delivered to a node whose frames are recorded.
    Delivered {
        /// The receiver.
        to: NodeId,
        /// The sender.
        from: NodeId,
        /// The whole frame.
        frame: Bytes,
    },
    /// Another disk is in a node's place from now on, with everything on it durable.
    Replaced {
        /// Whose place.
        node: NodeId,
        /// What is on it: by name, the file's number and bytes.
        files: BTreeMap<FileName, (u64, Vec<u8>)>,
    },
}

impl JournalRecord {
    /// The node that handed an operation over.
    pub(super) fn submitter(&self) -> Option<NodeId> {
        match self {
            JournalRecord::Submitted { node, .. } => Some(*node),
            JournalRecord::Completed { .. } | JournalRecord::Delivered { .. } | JournalRecord::Replaced { .. } => None,
        }
    }
}

/// What the directories held when the journal began: by node, by name, the file's number and bytes.
pub type Base = BTreeMap<NodeId, BTreeMap<FileName, (u64, Vec<u8>)>>;

/// A journal being written by the threads of a runtime.
#[derive(Debug, Default)]
pub struct Journal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<JournalRecord>,
    base: Base,
    /// Which file each name means, as far as completed operations go.
    names: BTreeMap<(NodeId, FileName), u64>,
    /// Name changes submitted: applied to `names` when they complete.
    renames: BTreeMap<u64, (NodeId, FileName, Option<u64>)>,
    files: u64,
    operations: u64,
}

impl Journal {
    /// The records so far. A cut is an index into them.
    pub fn records(&self) -> Vec<JournalRecord> {
        self.lock().records.clone()
    }

    /// How many records there are so far.
    pub fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// Whether nothing has been recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the directories held at the start.
    pub fn base(&self) -> Base {
        self.lock().base.clone()
    }

    /// Copies what a node's directory holds.
    pub(crate) fn add_base(&self, node: NodeId, directory: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(name) = name.to_str().filter(|name| FileName::is_valid(name)) {
                files.push((FileName::new(name), std::fs::read(entry.path())?));
            }
        }
        let mut state = self.lock();
        let mut base = BTreeMap::new();
        for (name, bytes) in files {
            let file = state.new_file();
            state.names.insert((node, name.clone()), file);
            base.insert(name, (file, bytes));
        }
        state.base.insert(node, base);
        Ok(())
    }

    pub(crate) fn new_file(&self) -> u64 {
        self.lock().new_file()
    }

    /// The file a name means now.
    pub(crate) fn file_named(&self, node: NodeId, name: &FileName) -> u64 {
        let mut state = self.lock();
        let key = (node, name.clone());
        if let Some(file) = state.names.get(&key) {
            return *file;
        }
        let file = state.new_file();
        state.names.insert(key, file);
        file
    }

    pub(crate) fn submitted(&self, node: NodeId, what: JournalOp) -> u64 {
        let mut state = self.lock();
        state.operations += 1;
        let op = state.operations;
        match &what {
            JournalOp::Create { file, name, .. } => {
                state.renames.insert(op, (node, name.clone(), Some(*file)));
            }
            JournalOp::Remove { name } => {
                state.renames.insert(op, (node, name.clone(), None));
            }
            _ => {}
        }
        state.records.push(JournalRecord::Submitted { op, node, what });
        op
    }

    /// Records the end of operation `op`; zero stands for operations that change nothing.
    pub(crate) fn completed(&self, op: u64, ok: bool) {
        if op == 0 {
            return;
        }
        let mut state = self.lock();
        match state.renames.remove(&op) {
            Some((node, name, Some(file))) if ok => {
                state.names.insert((node, name), file);
            }
            Some((node, name, None)) if ok => {
                state.names.remove(&(node, name));
            }
            _ => {}
        }
        state.records.push(JournalRecord::Completed { op, ok });
    }

    pub(crate) fn delivered(&self, to: NodeId, from: NodeId, frame: Bytes) {
        self.lock().records.push(JournalRecord::Delivered { to, from, frame });
    }

    /// Another disk is in the node's place. Nothing of the node is in flight.
    pub(crate) fn replaced(&self, node: NodeId, files: &BTreeMap<FileName, Vec<u8>>) {
        let mut state = self.lock();
        state.names.retain(|(of, _), _| *of != node);
        let mut numbered = BTreeMap::new();
        for (name, bytes) in files {
            let file = state.new_file();
            state.names.insert((node, name.clone()), file);
            numbered.insert(name.clone(), (file, bytes.clone()));
        }
        state.records.push(JournalRecord::Replaced { node, files: numbered });
    }

    /// Bytes of a node's file changed by themselves.
    pub(crate) fn rotted(&self, node: NodeId, name: &FileName, offset: u64, data: Bytes) {
        let file = self.file_named(node, name);
        let op = self.submitted(node, JournalOp::Write { file, offset, data, durable: true });
        self.completed(op, true);
    }

    /// The node's disk as it was at position `at`.
    pub(super) fn disk_at(&self, node: NodeId, at: usize) -> Disk {
        let state = self.lock();
        let base = state.base.get(&node);
        let mut disk = base.map(Disk::of).unwrap_or_default();
        // What was before the last exchange is gone with the disk it was on.
        let replaced =
            |record: &JournalRecord| matches!(record, JournalRecord::Replaced { node: of, .. } if *of == node);
        let records = &state.records[..at.min(state.records.len())];
        let first = records.iter().rposition(replaced).unwrap_or(0);
        for (at, record) in records.iter().enumerate().skip(first) {
            disk.take(node, at, record);
        }
        disk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new_file(&mut self) -> u64 {
        self.files += 1;
        self.files
    }
}
