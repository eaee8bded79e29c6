//! Writes superblocks: one generation at a time, the newest state next.

use compute::Lsn;
use node::{DiskError, DiskOp, DiskResult, Effects, FileId, IoClass, Token};

use super::superblock::{COPIES, SegmentRecord, Superblock};
use super::{Owner, Trouble};
use crate::PgId;

/// Keeps the superblock's file up to date.
///
/// Invariants: at most one generation is being written; states handed in meanwhile share the next one; a generation is
/// durable only when its four copies are.
#[derive(Clone, Debug)]
pub struct Keeper {
    file: FileId,
    copy_bytes: usize,
    durable: u64,
    /// How long a copy of it is.
    durable_bytes: usize,
    durable_vdl: Lsn,
    durable_segments: Vec<SegmentRecord>,
    writing: Option<Writing>,
    next: Option<Superblock>,
}

#[derive(Clone, Debug)]
struct Writing {
    superblock: Superblock,
    len_bytes: usize,
    outstanding: usize,
    no_space: bool,
}

impl Keeper {
    /// A keeper of an open file whose newest generation is `durable`.
    pub fn new(file: FileId, copy_bytes: usize, durable: u64) -> Keeper {
        Keeper {
            file,
            copy_bytes,
            durable,
            durable_bytes: 0,
            durable_vdl: Lsn::ZERO,
            durable_segments: Vec::new(),
            writing: None,
            next: None,
        }
    }

    /// The newest generation known durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The VDL in the newest durable generation.
    pub fn durable_vdl(&self) -> Lsn {
        self.durable_vdl
    }

    /// Whether the newest durable generation names the segment of a group.
    pub fn names(&self, pg: PgId) -> bool {
        (pg.0 as usize) < self.durable_segments.len()
    }

    /// Whether the newest durable generation says that the segment of a group counts.
    pub fn counts(&self, pg: PgId) -> bool {
        self.durable_segments.get(pg.0 as usize).is_some_and(|record| record.hydrated)
    }

    /// Reads a copy of the newest durable generation, once this life has written one.
    pub fn read_copy(&self, copy: usize, token: Token, out: &mut Effects) {
        if self.durable_bytes > 0 {
            let offset = Superblock::offset(self.durable, copy, self.copy_bytes);
            let op = DiskOp::Read { file: self.file, offset, len_bytes: self.durable_bytes };
            out.disk(token, op, IoClass::Repair);
        }
    }

    /// Makes a state durable; gives the generation that will have it. The state's own generation is set here. Later states
    /// must contain earlier ones.
    pub fn save(&mut self, mut superblock: Superblock, out: &mut Effects) -> Result<u64, Trouble> {
        let generation = self.durable + 1 + u64::from(self.writing.is_some());
        superblock.generation = generation;
        if superblock.encode(self.copy_bytes).is_none() {
            return Err(Trouble::Halt(format!(
                "the superblock outgrew {} bytes: the volume has more protection groups or recoveries than \
                 superblock_bytes allows",
                self.copy_bytes
            )));
        }
        if self.writing.is_some() {
            self.next = Some(superblock);
        } else {
            self.write(superblock, out);
        }
        Ok(generation)
    }

    /// Takes a completion; gives the generation that became durable with it.
    pub fn handle(&mut self, token: Token, result: DiskResult, out: &mut Effects) -> Result<Option<u64>, Trouble> {
        let Some(writing) = self.writing.as_mut().filter(|writing| token.own() == writing.superblock.generation) else {
            return Ok(None);
        };
        writing.outstanding -= 1;
        match result {
            Ok(_) => {}
            Err(DiskError::NoSpace) => writing.no_space = true,
            Err(error) => return Err(Trouble::Halt(format!("cannot write the superblock: {error}"))),
        }
        if writing.no_space || writing.outstanding > 0 {
            return Ok(None);
        }
        let Writing { superblock, len_bytes, .. } = self.writing.take().expect("just seen");
        let done = superblock.generation;
        (self.durable, self.durable_bytes, self.durable_vdl) = (done, len_bytes, superblock.vdl);
        // Groups are numbered from zero without a gap, and none is ever given up.
        self.durable_segments = superblock.segments;
        if let Some(next) = self.next.take() {
            self.write(next, out);
        }
        Ok(Some(done))
    }

    /// Tries again what a full disk refused. The bank being written holds nothing that counts, and nothing was answered
    /// for, so the same copies may go to the same places.
    pub fn retry(&mut self, out: &mut Effects) {
        if let Some(writing) = self.writing.take_if(|writing| writing.no_space && writing.outstanding == 0) {
            self.write(writing.superblock, out);
        }
    }

    fn write(&mut self, superblock: Superblock, out: &mut Effects) {
        let block = superblock.encode(self.copy_bytes).expect("checked when it was handed in");
        for copy in 0..COPIES {
            let offset = Superblock::offset(superblock.generation, copy, self.copy_bytes);
            let token = Token::new(Owner::KEEPER, superblock.generation);
            let op = DiskOp::Write { file: self.file, offset, data: block.clone(), durable: true };
            out.disk(token, op, IoClass::Metadata);
        }
        let len_bytes = block.len();
        self.writing = Some(Writing { superblock, len_bytes, outstanding: COPIES, no_space: false });
    }
}
