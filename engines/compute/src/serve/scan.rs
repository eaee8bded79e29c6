//! Scans: bounded cursors over rows and index entries, overlaid with the transaction's own writes.
//!
//! A scan goes piece by piece. A piece ends at a missing page, at the bound of rows per event, at the limit or at the
//! end; it is noted in the read set as the exact range it covered, gaps included. What was visited is kept across a park,
//! and the cursor goes on above it, so that a scan of more pages than the cache holds still ends.

use std::ops::ControlFlow;

use bytes::Bytes;
use contract::{Aggregate, Error, Key, Mode, Projection, Reply, Row};

use super::execute::{Executor, Stop, stored_row};
use crate::btree::{self, ReadError};
use crate::cell::{set_cell, set_end};
use crate::locks::Acquired;
use crate::planted::Bug;
use crate::{PageId, TreeId, index_key};

/// Index entries looked up before their rows are: few enough to keep, many enough to amortise the descent.
const ENTRIES_PER_PIECE: u32 = 256;

/// How far a scan has come.
#[derive(Clone, Debug, Default)]
pub struct ScanState {
    started: bool,
    /// Name of the cell from which to go on.
    resume: Vec<u8>,
    visited: u32,
    ended: bool,
    /// Primary keys of index entries visited whose rows are still to be read, last first.
    entries: Vec<Bytes>,
    rows: Vec<(Key, Row)>,
    value: u64,
    rows_bytes: usize,
}

impl ScanState {
    /// Ready for another scan.
    pub fn reset(&mut self) {
        if self.started {
            *self = ScanState { resume: std::mem::take(&mut self.resume), ..ScanState::default() };
        }
    }
}

/// Where a piece ended.
enum PieceEnd {
    /// The range or the limit is exhausted.
    Done,
    /// The most rows for one piece were visited.
    Bound,
    /// A page is missing.
    Miss(PageId),
}

/// What to undo when a piece turns out to need a lock first.
struct Checkpoint {
    visited: u32,
    entries: usize,
    rows: usize,
    value: u64,
    rows_bytes: usize,
}

impl Executor<'_> {
    /// Visits rows of one tree.
    pub fn scan(
        &mut self,
        tree: TreeId,
        from: &[u8],
        to: Option<&[u8]>,
        limit: u32,
        projection: &Projection,
    ) -> Result<Reply, Stop> {
        self.start_scan(tree, from);
        if limit > 0 {
            let bound = self.config.scan_rows_max;
            match self.piece(tree, to, limit, bound, |state, key, value| state.collect(key, value, projection))? {
                PieceEnd::Done => {}
                PieceEnd::Bound => return Err(Stop::Turn),
                PieceEnd::Miss(page) => return Err(Stop::Miss(page)),
            }
        }
        Ok(self.finish_scan(projection))
    }

    /// Visits entries of an index tree and the rows they point to.
    pub fn index_scan(
        &mut self,
        tree: TreeId,
        rows: TreeId,
        from: &[u8],
        to: Option<&[u8]>,
        limit: u32,
        projection: &Projection,
    ) -> Result<Reply, Stop> {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        index_key::put_field(&mut low, from);
        let high = to.map(|to| {
            index_key::put_field(&mut high, to);
            &high[..]
        });
        self.start_scan(tree, &low);
        self.session.scan.ended |= limit == 0;
        let counts_only = *projection == Projection::Aggregate(Aggregate::Count);
        let mut pieces = 0;
        loop {
            self.read_rows_of_entries(rows, projection)?;
            if self.session.scan.ended {
                return Ok(self.finish_scan(projection));
            }
            pieces += ENTRIES_PER_PIECE;
            if pieces > self.config.scan_rows_max.max(ENTRIES_PER_PIECE) {
                return Err(Stop::Turn);
            }
            let end = self.piece(tree, high, limit, ENTRIES_PER_PIECE, |state, entry, _| {
                if counts_only {
                    state.value += 1;
                    return Ok(());
                }
                let primary = index_key::primary_of(entry);
                let primary = primary.ok_or_else(|| Error::Corrupt("an index entry has no primary key".into()))?;
                state.entries.push(Bytes::copy_from_slice(primary));
                Ok(())
            })?;
            self.session.scan.entries.reverse();
            match end {
                PieceEnd::Done => self.session.scan.ended = true,
                PieceEnd::Bound => {}
                PieceEnd::Miss(page) if self.session.scan.entries.is_empty() => return Err(Stop::Miss(page)),
                PieceEnd::Miss(_) => {}
            }
        }
    }

    fn read_rows_of_entries(&mut self, rows: TreeId, projection: &Projection) -> Result<(), Stop> {
        while let Some(primary) = self.session.scan.entries.last().cloned() {
            // A row that is gone since the entry was read is a conflict, found at the statement's end.
            if let Some(value) = self.get(rows, &primary)? {
                self.session.scan.collect(&primary, &value, projection)?;
                self.check_reply()?;
            }
            self.session.scan.entries.pop();
            self.session.progressed = true;
        }
        self.check_bounds()?;
        Ok(())
    }

    fn start_scan(&mut self, tree: TreeId, from: &[u8]) {
        let state = &mut self.session.scan;
        if !state.started {
            state.started = true;
            set_cell(&mut state.resume, tree, from);
        }
    }

    fn finish_scan(&mut self, projection: &Projection) -> Reply {
        let state = &mut self.session.scan;
        let (mut rows, value) = (std::mem::take(&mut state.rows), state.value);
        match projection {
            Projection::Aggregate(_) => return Reply::Value { value, position: None },
            Projection::Rows | Projection::Field(_) => {}
            Projection::Sorted(_) => rows.sort_unstable_by(|(_, a), (_, b)| a.field(0).cmp(&b.field(0))),
            Projection::Distinct(_) => {
                rows.sort_unstable_by(|(_, a), (_, b)| a.field(0).cmp(&b.field(0)));
                rows.dedup_by(|(_, a), (_, b)| a == b);
            }
        }
        Reply::Rows { rows, position: None }
    }

    fn check_reply(&self) -> Result<(), Error> {
        let (bytes, max) = (self.session.scan.rows_bytes, self.config.reply_bytes_max);
        if bytes > max {
            return Err(Error::TooLarge(format!("a reply of more than {max} bytes of rows; scan less at once")));
        }
        Ok(())
    }

    /// Visits cells from where the scan had come, notes the range covered, locks it in locking mode, and moves the cursor.
    fn piece(
        &mut self,
        tree: TreeId,
        to: Option<&[u8]>,
        limit: u32,
        bound: u32,
        mut visit: impl FnMut(&mut ScanState, &[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<PieceEnd, Stop> {
        let mut state = std::mem::take(&mut self.session.scan);
        let checkpoint = state.checkpoint();
        set_end(&mut self.scratch.end, tree, to);
        let most = bound.min(limit - state.visited);
        let result = self.visit_overlaid(&mut state, tree, to, most, &mut visit);
        self.session.scan = state;
        let (passed, result) = result?;
        let state = &mut self.session.scan;
        *self.rows_scanned += u64::from(state.visited - checkpoint.visited);
        let (end, covers_all) = match result {
            Err(ReadError::Miss(miss)) => (PieceEnd::Miss(miss.0), false),
            Err(error) => return Err(error.into()),
            Ok(()) if state.visited - checkpoint.visited < most => (PieceEnd::Done, true),
            Ok(()) if state.visited == limit => (PieceEnd::Done, false),
            Ok(()) => (PieceEnd::Bound, false),
        };
        if !covers_all || self.config.planted.is(Bug::Phantom) {
            // Up to and including the last cell passed.
            let Some(passed) = passed else { return Ok(end) };
            set_cell(&mut self.scratch.end, tree, &passed);
            self.scratch.end.push(0);
        }
        if self.session.mode == Mode::Locking {
            let acquired = self.locks.shared(self.slot.owner(), &self.session.scan.resume, &self.scratch.end);
            if acquired == Acquired::Waits {
                self.session.scan.revert(checkpoint);
                return Err(Stop::Locked);
            }
        }
        self.note_reads();
        self.session.progressed = true;
        let Executor { session, scratch, seen, .. } = &mut *self;
        if session.scan.resume < scratch.end {
            session.reads.range(&session.scan.resume, &scratch.end, *seen);
        }
        session.scan.resume.clone_from(&scratch.end);
        self.check_reply()?;
        self.check_bounds()?;
        Ok(end)
    }

    /// Visits up to `most` cells of `tree` below `to`, the transaction's own writes in place of what they replace. Gives
    /// the key of the last cell passed and how the tree's scan ended.
    #[expect(clippy::type_complexity, reason = "one caller takes it apart at once")]
    fn visit_overlaid(
        &self,
        state: &mut ScanState,
        tree: TreeId,
        to: Option<&[u8]>,
        most: u32,
        visit: &mut dyn FnMut(&mut ScanState, &[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(Option<Vec<u8>>, Result<(), ReadError>), Error> {
        let last_visit = state.visited + most;
        let resume = state.resume.clone();
        let mut own = self.session.writes.range(&resume, &self.scratch.end).peekable();
        let mut passed: Option<Vec<u8>> = None;
        let mut failed = None;
        let mut step = |state: &mut ScanState, key: &[u8], value: Option<&[u8]>| {
            let passed = passed.get_or_insert_default();
            passed.clear();
            passed.extend_from_slice(key);
            if let Some(value) = value {
                state.visited += 1;
                failed = failed.take().or(visit(state, key, value).err());
            }
            let stops = failed.is_some() || state.visited == last_visit;
            if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut broke = false;
        let result = btree::scan(self.pool, self.root(tree), &resume[2..], to, |key, value| {
            let mut flow = ControlFlow::Continue(());
            while flow.is_continue()
                && let Some((cell, pending)) = own.next_if(|(cell, _)| cell.key() < key)
            {
                flow = step(state, cell.key(), pending.new.as_deref());
            }
            if flow.is_continue() {
                flow = match own.next_if(|(cell, _)| cell.key() == key) {
                    Some((_, pending)) => step(state, key, pending.new.as_deref()),
                    None => step(state, key, Some(value)),
                };
            }
            broke = flow.is_break();
            flow
        });
        if result.is_ok() && !broke {
            for (cell, pending) in own {
                if step(state, cell.key(), pending.new.as_deref()).is_break() {
                    break;
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok((passed, result)),
        }
    }
}

impl ScanState {
    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            visited: self.visited,
            entries: self.entries.len(),
            rows: self.rows.len(),
            value: self.value,
            rows_bytes: self.rows_bytes,
        }
    }

    fn revert(&mut self, checkpoint: Checkpoint) {
        self.visited = checkpoint.visited;
        self.entries.truncate(checkpoint.entries);
        self.rows.truncate(checkpoint.rows);
        self.value = checkpoint.value;
        self.rows_bytes = checkpoint.rows_bytes;
    }

    /// Takes in one row as the projection asks.
    fn collect(&mut self, key: &[u8], value: &[u8], projection: &Projection) -> Result<(), Error> {
        let field = |field: u16| contract::row::fields_of(value).nth(usize::from(field));
        match projection {
            Projection::Rows => self.push(key, stored_row(Bytes::copy_from_slice(value))?),
            Projection::Field(index) => self.push(key, Row::new(field(*index))),
            Projection::Aggregate(Aggregate::Count) => self.value += 1,
            Projection::Aggregate(Aggregate::Sum(index)) => {
                let number = field(*index).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
                self.value = self.value.wrapping_add(number.map_or(0, u64::from_be_bytes));
            }
            Projection::Sorted(index) | Projection::Distinct(index) => {
                if let Some(bytes) = field(*index) {
                    self.push(&[], Row::new([bytes]));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, key: &[u8], row: Row) {
        self.rows_bytes += key.len() + row.encoded().len();
        self.rows.push((Key::copy(key), row));
    }
}
