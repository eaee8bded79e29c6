//! The machine a run was made on, and the code that made it, read from `/proc`, `/sys` and `git`.
//!
//! Everything is best effort: what a kernel does not show stays empty, and nothing here fails a run.

mod activity;
mod block_device;
mod code;
mod disk;
mod family;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use activity::{Activity, Busy};
pub use block_device::{BlockDevice, DeviceCounts};
pub use disk::DataDir;

/// What the figures depend on besides the code. Absent fields could not be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Kernel release.
    pub kernel: Option<String>,
    /// CPU model.
    pub cpu_model: Option<String>,
    /// Logical CPUs this process may use.
    pub cores: Option<u64>,
    /// Frequency governor of the first CPU.
    pub governor: Option<String>,
    /// The kernel's clock source.
    pub clocksource: Option<String>,
    /// Physical memory.
    pub memory_bytes: Option<u64>,
    /// Memory limit of the control group.
    pub cgroup_memory_max: Option<String>,
    /// CPU limit of the control group: quota and period in microseconds, or `max`.
    pub cgroup_cpu_max: Option<String>,
    /// Memory this process may lock, e.g. for registered buffers.
    pub memlock_limit: Option<String>,
    /// Transparent huge pages.
    pub transparent_hugepages: Option<String>,
    /// Load averages over 1, 5 and 15 minutes at the start.
    pub loadavg_start: Option<String>,
    /// The same at the end.
    pub loadavg_end: Option<String>,
    /// Share of CPU time taken by other guests of the hypervisor during the run.
    pub steal_ratio: Option<f64>,
    /// Where the data lay.
    pub data_dir: Option<DataDir>,
}

impl Host {
    /// Reads the machine as it is now. `data_dir` need not exist yet; its nearest existing ancestor counts.
    pub fn capture(data_dir: Option<&Path>) -> Host {
        Host {
            kernel: text("/proc/sys/kernel/osrelease"),
            cpu_model: cpu_model(),
            cores: std::thread::available_parallelism().ok().map(|cores| cores.get() as u64),
            governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clocksource: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            memory_bytes: memory_bytes(),
            cgroup_memory_max: text("/sys/fs/cgroup/memory.max"),
            cgroup_cpu_max: text("/sys/fs/cgroup/cpu.max"),
            memlock_limit: memlock_limit(),
            transparent_hugepages: text("/sys/kernel/mm/transparent_hugepage/enabled"),
            loadavg_start: loadavg(),
            loadavg_end: None,
            steal_ratio: None,
            data_dir: data_dir.and_then(DataDir::capture),
        }
    }
}

/// Jiffies of all CPUs since boot: total, idle, spent in programs and for them, and stolen by the hypervisor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTimes {
    total: u64,
    idle: u64,
    programs: u64,
    steal: u64,
}

impl CpuTimes {
    pub(crate) fn now() -> Option<CpuTimes> {
        CpuTimes::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<CpuTimes> {
        let line = stat.lines().find(|line| line.starts_with("cpu "))?;
        // user nice system idle iowait irq softirq steal; guest times are part of user already.
        let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
        Some(CpuTimes {
            total: fields.iter().sum(),
            idle: fields.get(3)? + fields.get(4)?,
            programs: fields[..3].iter().sum(),
            steal: *fields.get(7)?,
        })
    }

    /// The share stolen between `earlier` and `self`.
    pub(crate) fn steal_ratio_since(self, earlier: CpuTimes) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        Some(self.steal.saturating_sub(earlier.steal) as f64 / total as f64)
    }

    /// The share in use between `earlier` and `self`; waiting for disks is idle.
    fn busy_ratio_since(self, earlier: CpuTimes) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        Some(1.0 - (self.idle.saturating_sub(earlier.idle) as f64 / total as f64).min(1.0))
    }

    /// The share that programs had between `earlier` and `self`, less the `own` jiffies of whoever asks. Interrupts are
    /// nobody's: most of them serve the disks of whoever asks.
    fn others_ratio_since(self, earlier: CpuTimes, own: u64) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        Some(self.programs.saturating_sub(earlier.programs + own) as f64 / total as f64)
    }
}

pub(crate) fn loadavg() -> Option<String> {
    let text = text("/proc/loadavg")?;
    Some(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

pub(super) fn text(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn cpu_model() -> Option<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = cpuinfo.lines().find(|line| line.starts_with("model name") || line.starts_with("Model"))?;
    line.split_once(':').map(|(_, model)| model.trim().to_owned())
}

fn memory_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Resident memory of this process.
pub fn rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn memlock_limit() -> Option<String> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    line.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
