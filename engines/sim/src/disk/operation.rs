//! Operations: checked and bound to a file when submitted, carried out when they complete.

use node::fault::Ailment;
use node::{Block, DiskError, DiskOp, DiskReply, DiskResult, FileId, FileName, SECTOR_BYTES};

use super::file::File;
use super::{Inode, SimDisk};

/// A submitted operation. File numbers are resolved at submission, so that reusing a number cannot redirect it.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Refuse(DiskError),
    List,
    Open {
        file: FileId,
        name: FileName,
    },
    Create {
        file: FileId,
        name: FileName,
        len_bytes: u64,
    },
    Extend {
        inode: Inode,
        len_bytes: u64,
    },
    Read {
        inode: Inode,
        offset: u64,
        len_bytes: usize,
    },
    Write {
        inode: Inode,
        offset: u64,
        data: Block,
        durable: bool,
    },
    /// `until` counts the completions before the sync was submitted: what it covers.
    Sync {
        inode: Inode,
        until: u64,
    },
    SyncDir {
        until: u64,
    },
    Remove {
        name: FileName,
    },
}

impl Operation {
    pub(super) fn inode(&self) -> Option<Inode> {
        match self {
            Operation::Extend { inode, .. }
            | Operation::Read { inode, .. }
            | Operation::Write { inode, .. }
            | Operation::Sync { inode, .. } => Some(*inode),
            _ => None,
        }
    }
}

impl SimDisk {
    /// The zeroes that an extension will add to its file; `None` for what extends nothing.
    pub fn growth(&self, op: &DiskOp) -> Option<u64> {
        let DiskOp::Extend { file, len_bytes } = op else { return None };
        let now = self.files[&self.inode(*file).ok()?].1.len_bytes();
        (*len_bytes > now).then(|| len_bytes - now)
    }

    pub(super) fn resolve(&self, op: DiskOp) -> Operation {
        self.try_resolve(op).unwrap_or_else(Operation::Refuse)
    }

    fn try_resolve(&self, op: DiskOp) -> Result<Operation, DiskError> {
        Ok(match op {
            DiskOp::List => Operation::List,
            DiskOp::Open { file, name } => Operation::Open { file, name },
            DiskOp::Create { file, name, len_bytes } => {
                assert_whole_sectors(len_bytes);
                Operation::Create { file, name, len_bytes }
            }
            DiskOp::Extend { file, len_bytes } => {
                assert_whole_sectors(len_bytes);
                Operation::Extend { inode: self.inode(file)?, len_bytes }
            }
            DiskOp::Read { file, offset, len_bytes } => {
                let inode = self.within(file, offset, len_bytes)?;
                Operation::Read { inode, offset, len_bytes }
            }
            DiskOp::Write { file, offset, data, durable } => {
                let inode = self.within(file, offset, data.len())?;
                Operation::Write { inode, offset, data, durable }
            }
            DiskOp::Sync { file } => Operation::Sync { inode: self.inode(file)?, until: self.completed },
            DiskOp::SyncDir => Operation::SyncDir { until: self.completed },
            DiskOp::Remove { name } => Operation::Remove { name },
        })
    }

    fn inode(&self, file: FileId) -> Result<Inode, DiskError> {
        self.open.get(&file).copied().ok_or(DiskError::BAD_FILE)
    }

    fn within(&self, file: FileId, offset: u64, len_bytes: usize) -> Result<Inode, DiskError> {
        assert_whole_sectors(offset);
        assert_whole_sectors(len_bytes as u64);
        assert!(len_bytes > 0, "an operation moves at least one sector");
        let inode = self.inode(file)?;
        let file_len_bytes = self.files[&inode].1.len_bytes();
        match offset.checked_add(len_bytes as u64) {
            Some(end) if end <= file_len_bytes => Ok(inode),
            _ => Err(DiskError::OutOfRange { len_bytes: file_len_bytes }),
        }
    }

    fn file(&mut self, inode: Inode) -> &mut File {
        &mut self.files.get_mut(&inode).expect("operations in flight keep their file").1
    }

    pub(super) fn carry_out(&mut self, operation: Operation) -> DiskResult {
        match operation {
            Operation::Refuse(error) => Err(error),
            Operation::List => {
                let names = self.names.iter().map(|(name, inode)| (name.clone(), self.files[inode].1.len_bytes()));
                Ok(DiskReply::Names(names.collect()))
            }
            Operation::Open { file, name } => {
                let inode = *self.names.get(&name).ok_or(DiskError::NotFound)?;
                self.open.insert(file, inode);
                Ok(DiskReply::Opened { len_bytes: self.files[&inode].1.len_bytes() })
            }
            Operation::Create { file, name, len_bytes } => self.create(file, name, len_bytes),
            Operation::Extend { inode, len_bytes } => {
                let more_bytes = len_bytes.saturating_sub(self.files[&inode].1.len_bytes());
                self.check_space(more_bytes)?;
                self.file(inode).grow(len_bytes);
                Ok(DiskReply::Done)
            }
            Operation::Read { inode, offset, len_bytes } => self.read(inode, offset, len_bytes),
            Operation::Write { inode, offset, data, durable } => self.write(inode, offset, &data, durable),
            Operation::Sync { inode, until } => {
                if self.sync_fails() {
                    self.file(inode).fail_sync(until);
                    return Err(DiskError::EIO);
                }
                self.file(inode).sync(until);
                Ok(DiskReply::Done)
            }
            Operation::SyncDir { until } => self.sync_dir(until),
            Operation::Remove { name } => {
                self.remove(name);
                Ok(DiskReply::Done)
            }
        }
    }

    /// Lets writes in flight shine through a read of the same sectors, each sector by chance.
    fn tear(&mut self, of: Inode, read_offset: u64, block: &mut Block) {
        for flying in self.in_flight.iter().flatten() {
            let Operation::Write { inode, offset, data, .. } = &flying.operation else { continue };
            if *inode != of {
                continue;
            }
            let start = read_offset.max(*offset);
            let end = (read_offset + block.len() as u64).min(offset + data.len() as u64);
            for at in (start..end).step_by(SECTOR_BYTES) {
                if self.rng.chance(0.5) {
                    let (to, from) = ((at - read_offset) as usize, (at - offset) as usize);
                    block[to..to + SECTOR_BYTES].copy_from_slice(&data[from..from + SECTOR_BYTES]);
                }
            }
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.chance(probability)
    }

    fn read(&mut self, inode: Inode, offset: u64, len_bytes: usize) -> DiskResult {
        if self.chance(self.rule.read_error) {
            self.counts.reads_failed += 1;
            return Err(DiskError::EIO);
        }
        let astray = match self.chance(self.rule.misdirected_read) {
            true => self.astray(offset, len_bytes as u64, self.files[&inode].1.len_bytes()),
            false => None,
        };
        self.counts.reads_misdirected += u64::from(astray.is_some());
        let offset = astray.unwrap_or(offset);
        let ailing = |ailment| self.files[&inode].1.ailing.count(offset, len_bytes as u64, ailment);
        let (rotten, unreadable) = (ailing(Ailment::Rotten), ailing(Ailment::Unreadable));
        self.counts.reads_rotten += u64::from(rotten > 0);
        if unreadable > 0 {
            self.counts.reads_unreadable += 1;
            return Err(DiskError::EIO);
        }
        let mut block = Block::written(len_bytes, |bytes| {
            self.file(inode).read(offset, bytes);
            len_bytes
        });
        if self.model.torn_reads {
            self.tear(inode, offset, &mut block);
        }
        Ok(DiskReply::Data(block))
    }

    fn write_fails(&mut self) -> bool {
        let fails = self.chance(self.rule.write_error);
        self.counts.writes_failed += u64::from(fails);
        fails
    }

    fn sync_fails(&mut self) -> bool {
        let fails = self.chance(self.rule.write_error.max(self.rule.sync_error));
        self.counts.syncs_failed += u64::from(fails);
        fails
    }

    fn check_space(&mut self, more_bytes: u64) -> Result<(), DiskError> {
        if self.rule.full && more_bytes > 0 {
            self.counts.refused_full += 1;
            return Err(DiskError::NoSpace);
        }
        match self.model.capacity_bytes {
            Some(capacity_bytes) if self.used_bytes() + more_bytes > capacity_bytes => Err(DiskError::NoSpace),
            _ => Ok(()),
        }
    }

    fn create(&mut self, file: FileId, name: FileName, len_bytes: u64) -> DiskResult {
        if self.rule.full {
            self.counts.refused_full += 1;
            return Err(DiskError::NoSpace);
        }
        self.check_space(len_bytes)?;
        let inode = self.link_new(name, len_bytes);
        self.open.insert(file, inode);
        Ok(DiskReply::Opened { len_bytes })
    }

    /// A new file of zeroes under `name`, taking the name from any other file first.
    pub(super) fn link_new(&mut self, name: FileName, len_bytes: u64) -> Inode {
        if self.names.contains_key(&name) {
            self.change_name(name.clone(), None);
        }
        let inode = self.add_file(name.clone(), File::zeroed(len_bytes));
        self.change_name(name, Some(inode));
        inode
    }

    fn write(&mut self, inode: Inode, offset: u64, data: &[u8], durable: bool) -> DiskResult {
        if self.rule.full {
            self.counts.refused_full += 1;
            return Err(DiskError::NoSpace);
        }
        if self.chance(self.rule.lost_write) {
            self.counts.writes_lost += 1;
            return Ok(DiskReply::Done);
        }
        let astray = match self.chance(self.rule.misdirected_write) {
            true => self.astray(offset, data.len() as u64, self.files[&inode].1.len_bytes()),
            false => None,
        };
        self.counts.writes_misdirected += u64::from(astray.is_some());
        let offset = astray.unwrap_or(offset);
        let at = self.completed;
        if self.write_fails() {
            if self.rng.chance(0.5) {
                self.file(inode).write(at, offset, data, false);
            }
            return Err(DiskError::EIO);
        }
        let file = self.file(inode);
        file.write(at, offset, data, durable);
        let cured = file.ailing.cure(offset, data.len() as u64);
        self.counts.sectors_rewritten += cured;
        Ok(DiskReply::Done)
    }

    fn sync_dir(&mut self, until: u64) -> DiskResult {
        let fails = self.sync_fails();
        let (covered, rest): (Vec<_>, Vec<_>) =
            self.changes.drain(..).partition(|change| change.at <= until && !change.forsaken);
        self.changes = rest;
        if fails {
            self.changes.extend(covered.into_iter().map(|change| super::NameChange { forsaken: true, ..change }));
            self.changes.sort_by_key(|change| change.at);
            return Err(DiskError::EIO);
        }
        for change in covered {
            self.changes.retain(|other| other.name != change.name || other.at > change.at);
            self.bind_durably(change.name, change.target);
        }
        self.collect_files();
        Ok(DiskReply::Done)
    }

    pub(super) fn bind_durably(&mut self, name: FileName, target: Option<Inode>) {
        match target {
            Some(inode) => self.durable_names.insert(name, inode),
            None => self.durable_names.remove(&name),
        };
    }

    pub(super) fn remove(&mut self, name: FileName) {
        if let Some(inode) = self.names.get(&name).copied() {
            self.open.retain(|_, open| *open != inode);
            self.change_name(name, None);
        }
    }
}

fn assert_whole_sectors(bytes: u64) {
    assert!(bytes.is_multiple_of(SECTOR_BYTES as u64), "{bytes} bytes are not whole sectors");
}
