//! The bench a disk stands on during a case: hands out tokens and checks that each is answered once.

use std::collections::{BTreeMap, BTreeSet};

use super::DiskUnderTest;
use crate::{Block, DiskError, DiskOp, DiskReply, DiskResult, FileId, FileName, SECTOR_BYTES, Token};

/// A sector's length as a file offset.
pub(super) const SECTOR: u64 = SECTOR_BYTES as u64;

/// A disk, the tokens under way and the answers nobody asked for yet.
pub(super) struct Bench<D> {
    disk: D,
    next_token: u64,
    under_way: BTreeSet<Token>,
    answered: BTreeMap<Token, DiskResult>,
}

impl<D: DiskUnderTest> Bench<D> {
    pub(super) fn new(disk: D) -> Bench<D> {
        Bench { disk, next_token: 0, under_way: BTreeSet::new(), answered: BTreeMap::new() }
    }

    /// Submits `op` under a token of the bench's choice.
    pub(super) fn submit(&mut self, op: DiskOp) -> Token {
        self.next_token += 1;
        let token = Token::new((self.next_token % 251) as u8, self.next_token);
        self.submit_as(token, op);
        token
    }

    /// Submits `op` under `token`.
    pub(super) fn submit_as(&mut self, token: Token, op: DiskOp) {
        assert!(self.under_way.insert(token), "the suite reuses {token:?}");
        self.disk.submit(token, op);
    }

    /// Waits until `token` is answered, keeping other answers for later.
    pub(super) fn finish(&mut self, token: Token) -> DiskResult {
        while !self.answered.contains_key(&token) {
            self.wait_any();
        }
        self.answered.remove(&token).expect("just seen")
    }

    /// Waits until every one of `tokens` is answered; answers in the order of `tokens`.
    pub(super) fn finish_all(&mut self, tokens: Vec<Token>) -> Vec<DiskResult> {
        tokens.into_iter().map(|token| self.finish(token)).collect()
    }

    fn wait_any(&mut self) {
        assert!(!self.under_way.is_empty(), "waiting for a token that was never submitted");
        let (token, result) = self.disk.wait();
        assert!(self.under_way.remove(&token), "{token:?} answered twice or never submitted: {result:?}");
        self.answered.insert(token, result);
    }

    /// Submits `op` and waits for its answer.
    pub(super) fn run(&mut self, op: DiskOp) -> DiskResult {
        let token = self.submit(op);
        self.finish(token)
    }

    pub(super) fn create(&mut self, file: FileId, name: &str, len_bytes: u64) {
        let reply = self.run(DiskOp::Create { file, name: FileName::new(name), len_bytes });
        assert_eq!(opened(reply), Ok(len_bytes), "creating {name}");
    }

    pub(super) fn open(&mut self, file: FileId, name: &str) -> Result<u64, DiskError> {
        opened(self.run(DiskOp::Open { file, name: FileName::new(name) }))
    }

    pub(super) fn remove(&mut self, name: &str) {
        done(self.run(DiskOp::Remove { name: FileName::new(name) }));
    }

    pub(super) fn extend(&mut self, file: FileId, len_bytes: u64) {
        done(self.run(DiskOp::Extend { file, len_bytes }));
    }

    pub(super) fn write(&mut self, file: FileId, offset: u64, data: Block) {
        done(self.run(DiskOp::Write { file, offset, data, durable: false }));
    }

    pub(super) fn write_durably(&mut self, file: FileId, offset: u64, data: Block) {
        done(self.run(DiskOp::Write { file, offset, data, durable: true }));
    }

    pub(super) fn sync(&mut self, file: FileId) {
        done(self.run(DiskOp::Sync { file }));
    }

    pub(super) fn sync_dir(&mut self) {
        done(self.run(DiskOp::SyncDir));
    }

    pub(super) fn read(&mut self, file: FileId, offset: u64, len_bytes: usize) -> Block {
        data(self.run(DiskOp::Read { file, offset, len_bytes }), len_bytes)
    }

    /// The directory as names and lengths.
    pub(super) fn list(&mut self) -> Vec<(String, u64)> {
        match self.run(DiskOp::List) {
            Ok(DiskReply::Names(names)) => {
                names.into_iter().map(|(name, len_bytes)| (name.as_str().to_owned(), len_bytes)).collect()
            }
            other => panic!("listing answered {other:?}"),
        }
    }

    /// Ends the process and starts it again.
    pub(super) fn reopen(self) -> Bench<D> {
        Bench::new(self.into_idle().reopen())
    }

    /// Cuts the power, or ends the case where the disk cannot.
    pub(super) fn lose_power(self) -> Option<Bench<D>> {
        self.into_idle().lose_power().ok().map(Bench::new)
    }

    /// Ends the case: nothing may be under way, and no stray answer may come before the next one asked for.
    pub(super) fn end(mut self) {
        self.list();
        self.into_idle();
    }

    fn into_idle(self) -> D {
        assert!(self.under_way.is_empty() && self.answered.is_empty(), "the suite left operations under way");
        self.disk
    }
}

/// The length an open or create answered with.
pub(super) fn opened(result: DiskResult) -> Result<u64, DiskError> {
    match result {
        Ok(DiskReply::Opened { len_bytes }) => Ok(len_bytes),
        Ok(other) => panic!("opening answered {other:?}"),
        Err(error) => Err(error),
    }
}

/// Panics unless `result` is [`DiskReply::Done`].
pub(super) fn done(result: DiskResult) {
    assert!(matches!(result, Ok(DiskReply::Done)), "expected Done, got {result:?}");
}

/// The block a read answered with, of exactly `len_bytes`.
pub(super) fn data(result: DiskResult, len_bytes: usize) -> Block {
    match result {
        Ok(DiskReply::Data(block)) => {
            assert_eq!(block.len(), len_bytes, "a read gives the whole length or an error");
            block
        }
        other => panic!("reading answered {other:?}"),
    }
}

/// A block of `sectors` sectors whose every sector differs, by `salt`.
pub(super) fn pattern(salt: u64, sectors: usize) -> Block {
    let mut block = Block::zeroed(sectors * SECTOR_BYTES);
    for (index, word) in block.chunks_exact_mut(8).enumerate() {
        let value = (salt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (index as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        word.copy_from_slice(&value.to_le_bytes());
    }
    block
}

/// Whether every byte is zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
