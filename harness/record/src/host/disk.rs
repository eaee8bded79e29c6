//! The file system and block device below a directory.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::text;

/// Where the engines' data lay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataDir {
    /// The directory, absolute.
    pub path: PathBuf,
    /// File system type.
    pub filesystem: String,
    /// Where the file system is mounted.
    pub mount_point: String,
    /// What is mounted there.
    pub source: String,
    /// Options of the mount and of the file system.
    pub mount_options: String,
    /// Block device, when there is one.
    pub device: Option<String>,
    /// The device's I/O scheduler, the active one in brackets.
    pub scheduler: Option<String>,
    /// The device's write cache: `write back` or `write through`.
    pub write_cache: Option<String>,
    /// Whether the device says it rotates.
    pub rotational: Option<bool>,
}

impl DataDir {
    /// Reads what lies below `path`, or below its nearest existing ancestor.
    pub fn capture(path: &Path) -> Option<DataDir> {
        let absolute = std::path::absolute(path).ok()?;
        let mount = mount_below(&absolute)?;
        let queue = queue_folder(&mount.device_number);
        let queue_text = |name: &str| queue.as_ref().and_then(|queue| text(queue.join(name)));
        Some(DataDir {
            path: absolute,
            filesystem: mount.filesystem,
            mount_point: mount.mount_point,
            source: mount.source,
            mount_options: mount.options,
            device: queue.as_ref().and_then(|queue| Some(queue.parent()?.file_name()?.to_str()?.to_owned())),
            scheduler: queue_text("scheduler"),
            write_cache: queue_text("write_cache"),
            rotational: queue_text("rotational").map(|flag| flag == "1"),
        })
    }

    /// Whether the directory lies in memory: nothing measured there says anything about disks.
    pub fn is_ram(&self) -> bool {
        let device_is_ram =
            self.device.as_deref().is_some_and(|device| device.starts_with("ram") || device.starts_with("zram"));
        device_is_ram || matches!(self.filesystem.as_str(), "tmpfs" | "ramfs" | "devtmpfs")
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Mount {
    pub(super) device_number: String,
    pub(super) mount_point: String,
    pub(super) filesystem: String,
    pub(super) source: String,
    pub(super) options: String,
}

/// The mount that holds `path`, or its nearest existing ancestor.
pub(super) fn mount_below(path: &Path) -> Option<Mount> {
    let existing = path.ancestors().find_map(|ancestor| fs::canonicalize(ancestor).ok())?;
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mount_of(&mountinfo, &existing)
}

/// The mount that holds `path`: the longest mount point above it, and of several there the last.
pub(super) fn mount_of(mountinfo: &str, path: &Path) -> Option<Mount> {
    let mounts = mountinfo.lines().filter_map(parse_mount);
    mounts.filter(|mount| path.starts_with(&mount.mount_point)).max_by_key(|mount| mount.mount_point.len())
}

/// Parses a line as proc(5) describes it: `id parent major:minor root point options [optional...] - type source super`.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let mut right = right.split(' ');
    let filesystem = right.next()?.to_owned();
    let source = unescape(right.next()?);
    let options = format!("{},{}", left.get(5)?, right.next().unwrap_or_default());
    Some(Mount {
        device_number: (*left.get(2)?).to_owned(),
        mount_point: unescape(left.get(4)?),
        filesystem,
        source,
        options: options.trim_end_matches(',').to_owned(),
    })
}

fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The `queue` folder of the device, or of the disk it is a partition of.
pub(super) fn queue_folder(device_number: &str) -> Option<PathBuf> {
    let device = fs::canonicalize(Path::new("/sys/dev/block").join(device_number)).ok()?;
    device.ancestors().take(2).map(|folder| folder.join("queue")).find(|queue| queue.is_dir())
}
