//! What the kernel counts at a block device, to hold a run's own accounting against.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk::{mount_below, queue_folder};
use super::text;

/// The kernel's sectors, whatever the device's are.
const SECTOR_BYTES: u64 = 512;

/// A whole block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Its name, e.g. `vda`.
    pub name: String,
    stat: PathBuf,
}

/// What has completed at a device since the machine started, whoever asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// Read requests.
    pub reads: u64,
    /// Bytes of those.
    pub read_bytes: u64,
    /// Write requests. The kernel counts a request for a flush among them.
    pub writes: u64,
    /// Write requests that were merged into others, and are not among those.
    pub merged_writes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Flushes of the device's cache. Requests that come while two are waiting share one.
    pub flushes: u64,
}

impl BlockDevice {
    /// The device below `path`, or below its nearest existing ancestor; that of the whole disk for a partition. `None` where
    /// the file system stands on no block device, or on several.
    pub fn below(path: &Path) -> Option<BlockDevice> {
        let mount = mount_below(&std::path::absolute(path).ok()?)?;
        let folder = queue_folder(&mount.device_number)?.parent()?.to_owned();
        Some(BlockDevice { name: folder.file_name()?.to_str()?.to_owned(), stat: folder.join("stat") })
    }

    /// The kernel's counts now.
    pub fn counts(&self) -> Option<DeviceCounts> {
        DeviceCounts::parse(&text(&self.stat)?)
    }
}

impl DeviceCounts {
    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &DeviceCounts) -> DeviceCounts {
        DeviceCounts {
            reads: self.reads.saturating_sub(earlier.reads),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            writes: self.writes.saturating_sub(earlier.writes),
            merged_writes: self.merged_writes.saturating_sub(earlier.merged_writes),
            write_bytes: self.write_bytes.saturating_sub(earlier.write_bytes),
            flushes: self.flushes.saturating_sub(earlier.flushes),
        }
    }

    /// The fields of `/sys/block/<device>/stat`, as the kernel's `Documentation/block/stat.rst` orders them. Flushes are
    /// the sixteenth, since Linux 5.5.
    pub(super) fn parse(stat: &str) -> Option<DeviceCounts> {
        let fields: Vec<u64> = stat.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let field = |at: usize| fields.get(at).copied();
        Some(DeviceCounts {
            reads: field(0)?,
            read_bytes: field(2)? * SECTOR_BYTES,
            writes: field(4)?,
            merged_writes: field(5)?,
            write_bytes: field(6)? * SECTOR_BYTES,
            flushes: field(15)?,
        })
    }
}
