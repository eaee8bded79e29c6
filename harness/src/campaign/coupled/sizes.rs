//! Small sizes of every kind for the coupled engine.

use ::coupled::{Config, LogConfig, ZoneLoss};
use contract::Schema;
use node::{Nanos, Rng};

use crate::campaign::database;

/// Sizes drawn from `rng`: a log that wraps and throttles, a double-write buffer of a few pages, a flusher that is eager
/// or lazy. Pages take `page_bytes`.
pub fn draw(schema: Schema, page_bytes: usize, seed: u64, rng: &mut Rng) -> Config {
    let mut config = Config::tiny(schema, seed);
    database::draw(&mut config.compute, page_bytes, rng);
    draw_log(&mut config, rng);
    draw_flusher(&mut config, rng);
    config.page_file_chunk_bytes = page_bytes as u64 * rng.between(1, 16);
    config.recovery.reads_max = rng.between(1, 8) as u32;
    config.recovery.chunk_bytes = config.log.align_bytes * rng.between(1, 16) as u32;
    draw_mirror(&mut config, page_bytes, rng);
    config.io_timeout = Nanos::from_millis(rng.fork("io-timeout", 0).between(100, 300));
    config
}

fn draw_log(config: &mut Config, rng: &mut Rng) {
    let log = &mut config.log;
    log.align_bytes = [512, 512, 4096][rng.below(3) as usize];
    log.block_bytes_max = log.align_bytes * rng.between(1, 8) as u32;
    log.segments = rng.between(2, 8) as u32;
    let times = rng.between(1, 3);
    let segment = |ring: u64| ring.div_ceil(u64::from(log.segments)).next_multiple_of(u64::from(log.align_bytes));
    let four_commits = segment(4 * config.compute.txn_bytes_max as u64);
    // A ring of longer segments needs no more, so one of this length has what it needs.
    let least = LogConfig { segment_bytes: four_commits, ..log.clone() }.ring_bytes_min(config.compute.txn_bytes_max);
    log.segment_bytes = segment(least * times);
    log.writes_max = rng.between(1, 4) as u32;
    log.eager_bytes = rng.below(4096) as u32;
}

fn draw_flusher(config: &mut Config, rng: &mut Rng) {
    let flush = &mut config.flush;
    flush.slots = rng.between(1, 16) as u32;
    flush.log_low = rng.below(80) as f64 / 100.0;
    flush.log_high = flush.log_low + rng.between(5, 19) as f64 / 100.0;
    flush.dirty_high = rng.between(10, 100) as f64 / 100.0;
    flush.interval = Nanos::from_micros(rng.between(200, 20_000));
}

fn draw_mirror(config: &mut Config, page_bytes: usize, rng: &mut Rng) {
    let mirror = &mut config.mirror;
    let patience = Nanos::from_millis(rng.between(5, 80));
    mirror.zone_loss = if rng.chance(0.5) { ZoneLoss::Detach(patience) } else { ZoneLoss::Stop };
    mirror.retransmit = Nanos::from_micros(rng.between(500, 20_000));
    mirror.region_bytes = page_bytes as u32 * [4, 8, 32][rng.below(3) as usize];
    mirror.window = rng.between(1, 8) as u32;
    mirror.start_window = mirror.window;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_a_configuration_that_works() {
        for seed in 0..300 {
            let page_bytes = [512, 2048, 8192][seed as usize % 3];
            let config = draw(Schema::default(), page_bytes, seed, &mut Rng::new(seed));
            assert_eq!(config.check(), Ok(()), "seed {seed}");
        }
    }
}
