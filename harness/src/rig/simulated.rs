//! The world that `--runtime sim` runs in.
//!
//! Service times and CPU prices here are of the order of a local NVMe device and one recent core. They are *models*: until they
//! are calibrated against the real runtime on the same machine, figures from here are labelled uncalibrated.

use node::{Delay, Nanos, Work};
use sim::{CpuModel, DiskModel, SimConfig};

use super::Site;
use crate::engines::{DATABASE, LOAD};

pub(super) fn world(site: &Site) -> SimConfig {
    let mut config = SimConfig::instant(site.seed);
    config.links = site.links.clone();
    config.disk = disk(site.disk_delay);
    config.cpu = cpu();
    config
}

fn disk(added: Option<Delay>) -> DiskModel {
    let extra = added.map_or(Nanos::ZERO, |delay| delay.median());
    let delay = |base_us, tail_us| Delay::Tailed {
        base: Nanos::from_micros(base_us) + extra,
        tail: Nanos::from_micros(tail_us),
    };
    DiskModel {
        read: delay(60, 20),
        write: delay(20, 10),
        durable_write: delay(80, 20),
        sync: delay(80, 30),
        metadata: delay(50, 20),
        bandwidth_bytes_per_s: Some(1_000_000_000),
        parallelism: 16,
        shuffle: Nanos::from_micros(5),
        capacity_bytes: None,
        torn_reads: false,
    }
}

fn cpu() -> CpuModel {
    let mut work_ns = [0; Work::ALL.len()];
    for (work, ns) in [
        (Work::Statement, 1_000),
        (Work::Descend, 150),
        (Work::Apply, 300),
        (Work::ScanRow, 100),
        (Work::Kilobyte, 100),
        (Work::Message, 500),
    ] {
        work_ns[work as usize] = ns;
    }
    // The load and the database node share a core, as on the real runtime.
    let cores = [(LOAD, 0), (DATABASE, 0)].into_iter().collect();
    CpuModel { event: Nanos(500), work_ns, cores }
}
