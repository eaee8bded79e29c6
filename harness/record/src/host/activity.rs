//! How busy the machine and its devices were between two moments.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use super::{CpuTimes, DataDir, family};

/// What the kernel had counted at one moment.
#[derive(Clone, Debug)]
pub struct Activity {
    at: Instant,
    cpu: Option<CpuTimes>,
    /// Jiffies that this process and its children had.
    own: Option<u64>,
    /// Milliseconds with something to do, by device.
    busy_ms: BTreeMap<String, u64>,
}

/// Shares of a stretch of time. `None` where the kernel does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Busy {
    /// CPU time in use by whatever process; 1 is all cores.
    pub cpu_ratio: Option<f64>,
    /// CPU time of programs other than this process and its children; 1 is all cores.
    pub others_ratio: Option<f64>,
    /// Time in which the busiest device had something to do, and its name.
    pub device: Option<(String, f64)>,
}

impl Activity {
    /// Looks at the machine and at the devices below `folders`.
    pub fn now(folders: &[impl AsRef<Path>]) -> Activity {
        let devices = folders.iter().filter_map(|folder| DataDir::capture(folder.as_ref())?.device);
        let busy_ms = devices.filter_map(|device| {
            let stat = fs::read_to_string(Path::new("/sys/block").join(&device).join("stat")).ok()?;
            Some((device, io_ticks_ms(&stat)?))
        });
        Activity { at: Instant::now(), cpu: CpuTimes::now(), own: family::jiffies(), busy_ms: busy_ms.collect() }
    }

    /// What was busy from `earlier` until now.
    pub fn since(&self, earlier: &Activity) -> Busy {
        let elapsed_ms = self.at.duration_since(earlier.at).as_secs_f64() * 1e3;
        let of_device = |(device, now_ms): (&String, &u64)| {
            let then_ms = earlier.busy_ms.get(device)?;
            // The kernel adds up in jiffies, so a short stretch may come out longer than it was.
            let ratio = now_ms.saturating_sub(*then_ms) as f64 / elapsed_ms;
            Some((device.clone(), ratio.min(1.0)))
        };
        let devices = self.busy_ms.iter().filter_map(of_device);
        let cpu = self.cpu.zip(earlier.cpu);
        let own = self.own.zip(earlier.own).map(|(now, then)| now.saturating_sub(then));
        Busy {
            cpu_ratio: cpu.and_then(|(now, then)| now.busy_ratio_since(then)),
            others_ratio: cpu.zip(own).and_then(|((now, then), own)| now.others_ratio_since(then, own)),
            device: devices.max_by(|(_, a), (_, b)| a.total_cmp(b)),
        }
    }
}

/// The tenth field of a block device's `stat`: milliseconds with at least one request under way.
pub(super) fn io_ticks_ms(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(9)?.parse().ok()
}
