//! The suite itself under test: a correct disk in memory passes, and each of its planted flaws is noticed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{DiskUnderTest, run_all};
use crate::{Block, DiskError, DiskOp, DiskReply, DiskResult, FileId, FileName, Rng, SECTOR_BYTES, Token};

/// What is wrong with a [`MemoryDisk`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    AnswersTwice,
    SwapsTokens,
    GrowsOnWrite,
    ReadsShort,
    KeepsOldBytesOnCreate,
    ExtendsWithGarbage,
    ShrinksOnExtend,
    ListsUnsorted,
    RemembersNumbers,
    RefusesToRemoveTwice,
    ForgetsOnReopen,
    LosesDurableWrites,
    IgnoresSync,
    IgnoresSyncDir,
}

/// Bytes by name, twice: as seen, and as they would be after power loss.
#[derive(Default)]
struct MemoryDisk {
    flaw: Option<Flaw>,
    seen: BTreeMap<FileName, Vec<u8>>,
    durable: BTreeMap<FileName, Vec<u8>>,
    durable_names: Vec<FileName>,
    open: BTreeMap<FileId, FileName>,
    answers: Vec<(Token, DiskResult)>,
    rng: Option<Rng>,
}

impl MemoryDisk {
    fn new(flaw: Option<Flaw>) -> MemoryDisk {
        MemoryDisk { flaw, rng: Some(Rng::new(11)), ..MemoryDisk::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn opened(&self, file: FileId) -> Result<FileName, DiskError> {
        self.open.get(&file).cloned().ok_or(DiskError::Io { errno: 9 })
    }

    fn carry_out(&mut self, op: DiskOp) -> DiskResult {
        match op {
            DiskOp::List => {
                let mut names: Vec<_> =
                    self.seen.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
                if self.has(Flaw::ListsUnsorted) {
                    names.reverse();
                }
                return Ok(DiskReply::Names(names));
            }
            DiskOp::Open { file, name } => {
                let len_bytes = self.seen.get(&name).ok_or(DiskError::NotFound)?.len() as u64;
                self.open.insert(file, name);
                return Ok(DiskReply::Opened { len_bytes });
            }
            DiskOp::Create { file, name, len_bytes } => {
                if self.has(Flaw::KeepsOldBytesOnCreate) && self.seen.contains_key(&name) {
                    self.seen.get_mut(&name).expect("just seen").resize(len_bytes as usize, 0);
                } else {
                    self.seen.insert(name.clone(), vec![0; len_bytes as usize]);
                }
                self.durable.insert(name.clone(), self.seen[&name].clone());
                self.open.insert(file, name);
                return Ok(DiskReply::Opened { len_bytes });
            }
            DiskOp::Remove { name } => {
                if self.seen.remove(&name).is_none() && self.has(Flaw::RefusesToRemoveTwice) {
                    return Err(DiskError::NotFound);
                }
                self.open.retain(|_, open| *open != name);
            }
            DiskOp::SyncDir => {
                if !self.has(Flaw::IgnoresSyncDir) {
                    self.durable_names = self.seen.keys().cloned().collect();
                }
            }
            DiskOp::Sync { file } => {
                let name = self.opened(file)?;
                if !self.has(Flaw::IgnoresSync) {
                    self.durable.insert(name.clone(), self.seen[&name].clone());
                }
            }
            DiskOp::Extend { file, len_bytes } => self.extend(file, len_bytes as usize)?,
            DiskOp::Read { file, offset, len_bytes } => return self.read(file, offset as usize, len_bytes),
            DiskOp::Write { file, offset, data, durable } => self.write(file, offset as usize, &data, durable)?,
        }
        Ok(DiskReply::Done)
    }

    fn extend(&mut self, file: FileId, len_bytes: usize) -> Result<(), DiskError> {
        let name = self.opened(file)?;
        let fill = if self.has(Flaw::ExtendsWithGarbage) { 0xaa } else { 0 };
        let shrinks = self.has(Flaw::ShrinksOnExtend);
        for bytes in [self.seen.get_mut(&name), self.durable.get_mut(&name)].into_iter().flatten() {
            let len_bytes = if shrinks { len_bytes } else { len_bytes.max(bytes.len()) };
            bytes.resize(len_bytes, fill);
        }
        Ok(())
    }

    fn read(&self, file: FileId, offset: usize, len_bytes: usize) -> DiskResult {
        let bytes = &self.seen[&self.opened(file)?];
        let end = offset + len_bytes;
        if end > bytes.len() {
            return Err(DiskError::OutOfRange { len_bytes: bytes.len() as u64 });
        }
        let end = if self.has(Flaw::ReadsShort) { (offset + 16 * SECTOR_BYTES).min(end) } else { end };
        Ok(DiskReply::Data(Block::padded(&bytes[offset..end])))
    }

    fn write(&mut self, file: FileId, offset: usize, data: &[u8], durable: bool) -> Result<(), DiskError> {
        let name = self.opened(file)?;
        let grows = self.has(Flaw::GrowsOnWrite);
        let loses = self.has(Flaw::LosesDurableWrites);
        let bytes = self.seen.get_mut(&name).expect("open");
        let end = offset + data.len();
        if end > bytes.len() {
            if !grows {
                return Err(DiskError::OutOfRange { len_bytes: bytes.len() as u64 });
            }
            bytes.resize(end, 0);
        }
        bytes[offset..end].copy_from_slice(data);
        if durable && !loses {
            self.durable.get_mut(&name).expect("open")[offset..end].copy_from_slice(data);
        }
        Ok(())
    }
}

impl DiskUnderTest for MemoryDisk {
    fn submit(&mut self, token: Token, op: DiskOp) {
        let result = self.carry_out(op);
        if self.has(Flaw::AnswersTwice) && token.0.is_multiple_of(97) {
            self.answers.push((token, result.clone()));
        }
        self.answers.push((token, result));
        if self.has(Flaw::SwapsTokens) && self.answers.len() > 2 {
            let (first, second) = (self.answers[0].0, self.answers[1].0);
            self.answers[0].0 = second;
            self.answers[1].0 = first;
        }
    }

    fn wait(&mut self) -> (Token, DiskResult) {
        let rng = self.rng.as_mut().expect("made with new");
        let index = rng.below(self.answers.len() as u64) as usize;
        self.answers.swap_remove(index)
    }

    fn reopen(mut self) -> MemoryDisk {
        if !self.has(Flaw::RemembersNumbers) {
            self.open.clear();
        }
        if self.has(Flaw::ForgetsOnReopen) {
            self.seen = self.durable.clone();
        }
        self
    }

    fn lose_power(mut self) -> Result<MemoryDisk, MemoryDisk> {
        self.open.clear();
        self.seen = self.durable_names.iter().map(|name| (name.clone(), self.durable[name].clone())).collect();
        Ok(self)
    }
}

crate::disk_conformance!(|_: &str| MemoryDisk::new(None));

#[test]
fn the_whole_suite_counts_its_cases() {
    assert_eq!(run_all(|_| MemoryDisk::new(None)), 35);
}

#[test]
fn every_planted_flaw_is_noticed() {
    for flaw in [
        Flaw::AnswersTwice,
        Flaw::SwapsTokens,
        Flaw::GrowsOnWrite,
        Flaw::ReadsShort,
        Flaw::KeepsOldBytesOnCreate,
        Flaw::ExtendsWithGarbage,
        Flaw::ShrinksOnExtend,
        Flaw::ListsUnsorted,
        Flaw::RemembersNumbers,
        Flaw::RefusesToRemoveTwice,
        Flaw::ForgetsOnReopen,
        Flaw::LosesDurableWrites,
        Flaw::IgnoresSync,
        Flaw::IgnoresSyncDir,
    ] {
        let outcome = catch_unwind(AssertUnwindSafe(|| run_all(|_| MemoryDisk::new(Some(flaw)))));
        assert!(outcome.is_err(), "the suite passes a disk that {flaw:?}");
    }
}
