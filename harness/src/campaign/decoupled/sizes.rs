//! Small sizes of every kind for the decoupled engine.

use ::decoupled::Config;
use node::{Nanos, Rng};

/// Bounds and times of the writer: an allocation limit that is met, batches of a few records, hedges, short leases.
pub fn draw_writer(config: &mut Config, rng: &mut Rng) {
    let writer = &mut config.writer;
    writer.lal_records = [1_000, 4_000, 10_000_000][rng.below(3) as usize];
    writer.retained_bytes_max = [4 << 10, 64 << 10, 256 << 20][rng.below(3) as usize];
    writer.batch_bytes_max = [256, 4 << 10, 256 << 10][rng.below(3) as usize];
    writer.batches_in_flight = rng.between(1, 4) as usize;
    writer.resend_min = Nanos::from_micros(rng.between(500, 20_000));
    writer.resend_max = writer.resend_min + Nanos::from_millis(rng.below(100));
    writer.heartbeat = Nanos::from_millis(rng.between(2, 50));
    writer.lease_margin = Nanos::from_millis(rng.between(1, 10));
    writer.lease = writer.heartbeat + writer.lease_margin + Nanos::from_millis(rng.between(1, 120));
    writer.hedge_min = Nanos::from_micros(rng.between(50, 2_000));
    writer.read_timeout = Nanos::from_millis(rng.between(20, 1_000));
    writer.probe_every = rng.between(2, 64);
    writer.groups_ahead = rng.below(3) as u32;
}

/// A log of few extents, pages made one or a few at a time, slow and fast gossip. Pages take `page_bytes`.
pub fn draw_storage(config: &mut Config, page_bytes: usize, rng: &mut Rng) {
    let lease = config.writer.lease + Nanos::from_millis(rng.below(20));
    let storage = &mut config.storage;
    let large = page_bytes > 1024;
    storage.lease = lease;
    storage.block_bytes_max = if large { 16 << 10 } else { 4 << 10 };
    storage.extent_bytes = storage.block_bytes_max as u64 * rng.between(2, 4);
    storage.log_bytes_target = storage.extent_bytes * rng.between(2, 4);
    storage.log_bytes_max = storage.log_bytes_target * rng.between(2, 5);
    storage.intake_bytes_max = [32 << 10, 256 << 10][rng.below(2) as usize];
    storage.writes_in_flight = rng.between(1, 8) as usize;
    storage.coalesce_chain = rng.between(1, 24) as usize;
    storage.coalesce_pages_max = rng.between(1, 16) as usize;
    storage.tick = Nanos::from_micros(rng.between(500, 20_000));
    storage.gossip_every = Nanos::from_millis(rng.between(2, 50));
    storage.catch_up_every = Nanos::from_millis(rng.between(1, 10));
    storage.scrub_every = Nanos::from_millis(rng.between(2, 100));
    storage.push_bytes_max = [1 << 10, 8 << 10, 64 << 10][rng.below(3) as usize];
    storage.inventory_records_max = [1, 8, 64][rng.below(3) as usize];
    storage.io_timeout = Nanos::from_millis(rng.fork("io-timeout", 0).between(100, 300));
}
