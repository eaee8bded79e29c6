//! The database node, which every engine has: its sizes, its counts, and the trees it stores.

use std::borrow::Cow;

use compute::{ComputeConfig, ComputeNode, Page, Stats};
use coupled::CoupledStorage;
use decoupled::writer::VolumeDriver;
use node::{Nanos, Rng};
use sim::Sim;

use super::Substance;
use crate::engines::DATABASE;

/// Room for every client that a suite may have, and not for a crowd.
const SESSIONS_MAX: usize = 128;

/// Draws small sizes: a cache that may hold no more than one transaction, transactions of a few dozen pages.
pub fn draw(config: &mut ComputeConfig, page_bytes: usize, rng: &mut Rng) {
    let pages_max = [24, 40, 64][rng.below(3) as usize];
    config.page_bytes = page_bytes;
    config.txn_pages_max = pages_max;
    config.txn_bytes_max = 32 * page_bytes;
    config.cache_bytes = ComputeConfig::cache_bytes_min(page_bytes, pages_max) * [1, 1, 2, 6][rng.below(4) as usize];
    config.sessions_max = SESSIONS_MAX;
    config.idle_timeout = Nanos::from_millis(rng.between(50, 400));
}

/// What the database node has counted since its start, whichever engine's it is; `None` while it is down.
pub fn stats(sim: &Sim) -> Option<Stats> {
    let decoupled = || sim.node::<ComputeNode<VolumeDriver>>(DATABASE).map(ComputeNode::stats);
    sim.node::<ComputeNode<CoupledStorage>>(DATABASE).map(ComputeNode::stats).or_else(decoupled)
}

/// Counts what a database node did in a life.
pub fn count(stats: &Stats, substance: &mut Substance) {
    for (name, count) in [
        ("commits", stats.commits),
        ("splits", stats.splits),
        ("merges", stats.merges),
        ("evictions", stats.evictions),
        ("pages fetched", stats.fetches),
        ("rows scanned", stats.rows_scanned),
        ("commits parked for admission", stats.parks_admission),
        ("commits parked for growth", stats.parks_reservation),
        ("conflicts", stats.aborts_validation + stats.aborts_deadlock),
        ("reads fenced", stats.reads_fenced),
        ("reads delayed for durability", stats.reads_delayed),
    ] {
        substance.add(name, count);
    }
}

/// Walks the trees in `pages`, which begin with page 0, and counts their pages.
///
/// # Errors
///
/// A page that breaks an invariant of the trees.
pub fn walk(pages: &[Page], substance: &mut Substance) -> Result<(), String> {
    let census = compute::btree::check::check(|id| pages.get(id.0 as usize).map(Cow::Borrowed));
    let census = census.map_err(|violation| format!("the stored trees are not whole: {violation}"))?;
    substance.add("tree pages", census.trees.iter().map(|tree| tree.leaves + tree.inner_pages).sum());
    Ok(())
}
