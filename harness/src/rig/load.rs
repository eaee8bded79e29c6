//! Bulk load: a workload's first rows, in multi-row inserts, one stream for each table.

use std::time::Duration;

use contract::{Error, Key, Reply, Row, SessionId, Statement, TableId};
use node::Nanos;
use workloads::{LoadShard, Workload};

use super::console::Ticket;
use super::{Rig, SpaceWatch};
use crate::exit::Failure;
use crate::interrupt;

/// Rows in one insert: about the 512 KiB of sysbench's loader at its row size would be 2,000; a commit that touches fewer
/// index pages is kinder to small caches.
const ROWS_PER_INSERT: usize = 250;
/// An insert that takes longer than this has failed.
const PATIENCE: Nanos = Nanos::from_secs(30);

/// How often it is looked whether disks are full.
const SPACE_EVERY: Nanos = Nanos::from_millis(250);

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadProgress {
    /// Rows inserted.
    pub done: u64,
    /// Rows there will be.
    pub total: u64,
}

struct Stream {
    session: SessionId,
    shards: Vec<LoadShard>,
    batch: Option<(TableId, Vec<(Key, Row)>)>,
    waiting: Option<Ticket>,
    sent_at: Nanos,
}

/// Loads the workload's first rows, telling `progress` now and then.
///
/// # Errors
///
/// An insert was refused or went unanswered, or a disk is full.
pub fn bulk_load(
    rig: &mut Rig,
    workload: &dyn Workload,
    mut progress: impl FnMut(LoadProgress),
) -> Result<(), Failure> {
    // One stream for each table: inside a table keys rise, and the tree splits at its right edge.
    let shards = workload.load(1);
    let mut so_far = LoadProgress { done: 0, total: shards.iter().map(|shard| shard.count).sum() };
    let (console, _) = rig.console();
    let mut streams: Vec<Stream> = Vec::new();
    for shard in shards {
        let session = console.session();
        streams.push(Stream { session, shards: vec![shard], batch: None, waiting: None, sent_at: Nanos::ZERO });
    }
    progress(so_far);
    for stream in &mut streams {
        stream.next_batch();
        stream.send(rig)?;
    }
    let (mut space, mut look_at) = (SpaceWatch::default(), rig.now() + SPACE_EVERY);
    while streams.iter().any(|stream| stream.waiting.is_some()) {
        interrupt::check()?;
        if let Some(halted) = rig.halted() {
            return Err(halted.failure("loading stopped"));
        }
        if rig.now() >= look_at {
            look_at = rig.now() + SPACE_EVERY;
            let gauges = rig.gauges();
            space.look(rig, &gauges)?;
        }
        let (console, host) = rig.console();
        let Some((ticket, result)) = console.receive(host, Duration::from_millis(200)) else {
            let now = rig.now();
            if let Some(stuck) = streams.iter().find(|stream| stream.is_stuck(now)) {
                return Err(Failure::unknown(format!("an insert of {} rows was not answered", stuck.batch_len())));
            }
            continue;
        };
        let Some(stream) = streams.iter_mut().find(|stream| stream.waiting == Some(ticket)) else { continue };
        so_far.done += stream.answered(rig, result)?;
        stream.send(rig)?;
        progress(so_far);
    }
    Ok(())
}

impl Stream {
    fn next_batch(&mut self) {
        self.batch = None;
        while let Some(shard) = self.shards.last_mut() {
            let rows: Vec<_> = shard.rows.by_ref().take(ROWS_PER_INSERT).collect();
            if !rows.is_empty() {
                self.batch = Some((shard.table, rows));
                return;
            }
            self.shards.pop();
        }
    }

    fn send(&mut self, rig: &mut Rig) -> Result<(), Failure> {
        self.waiting = None;
        if let Some((table, rows)) = &self.batch {
            let statement = Statement::InsertMany { table: *table, rows: rows.clone() };
            let (console, host) = rig.console();
            self.waiting = Some(console.send(host, self.session, statement)?);
            self.sent_at = rig.now();
        }
        Ok(())
    }

    /// Takes the answer to the batch under way. Gives how many rows it added.
    fn answered(&mut self, rig: &mut Rig, result: Result<Reply, Error>) -> Result<u64, Failure> {
        match result {
            Ok(_) => {
                let added = self.batch_len() as u64;
                self.next_batch();
                Ok(added)
            }
            // Nothing was done: the same rows again.
            Err(Error::Unavailable(_) | Error::Conflict(_)) => {
                rig.sleep(Duration::from_millis(1));
                Ok(0)
            }
            Err(error) => Err(Failure::unknown(format!("loading failed: {error}"))),
        }
    }

    fn batch_len(&self) -> usize {
        self.batch.as_ref().map_or(0, |(_, rows)| rows.len())
    }

    fn is_stuck(&self, now: Nanos) -> bool {
        self.waiting.is_some() && now.saturating_sub(self.sent_at) > PATIENCE
    }
}
