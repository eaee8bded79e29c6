//! A fresh file system on loop devices, unmounted and given back however the test ends.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of the device for the file system's journal: never so full that it must be emptied in between.
const JOURNAL_BYTES: u64 = 256 << 20;
/// Both devices' block.
const BLOCK: &str = "4096";

/// What kept a loop device from being made: this machine has none, or this user may not.
#[derive(Debug)]
pub struct Unavailable(pub String);

/// A file as a block device. Dropping it gives the device back.
#[derive(Debug)]
struct LoopDevice(String);

/// A mounted ext4 file system that nothing else uses. Its journal is on a device of its own, so that the device below the
/// data sees the data and next to nothing of the file system's bookkeeping.
#[derive(Debug)]
pub struct FileSystem {
    mount: Mount,
    _data: LoopDevice,
    _journal: LoopDevice,
}

/// Fields of a struct are dropped in order: this one before the devices.
#[derive(Debug)]
struct Mount(PathBuf);

impl FileSystem {
    /// Makes one in `place`, a directory of its own, with a device of so many bytes: sparse, so that only what is used takes
    /// space. Everything that a file system puts off until later is done or left out.
    ///
    /// Panics when there are loop devices, and they cannot be made into a file system all the same.
    pub fn make(place: &Path, data_bytes: u64) -> Result<FileSystem, Unavailable> {
        let data = LoopDevice::make(&place.join("data.img"), data_bytes)?;
        let journal = LoopDevice::make(&place.join("journal.img"), JOURNAL_BYTES)?;
        run("mkfs.ext4", &["-q", "-F", "-b", BLOCK, "-O", "journal_dev", &journal.0]).expect("a journal");
        let now = "lazy_itable_init=0,nodiscard";
        let outside = format!("device={}", journal.0);
        run("mkfs.ext4", &["-q", "-F", "-b", BLOCK, "-m", "0", "-E", now, "-J", &outside, &data.0])
            .expect("a file system");
        let mount_point = place.join("disk");
        std::fs::create_dir(&mount_point).expect("a new directory");
        run("mount", &["-o", "noatime,commit=300", &data.0, text(&mount_point)]).map_err(|why| match may_mount() {
            true => panic!("{why}"),
            false => Unavailable(why),
        })?;
        Ok(FileSystem { mount: Mount(mount_point), _data: data, _journal: journal })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount.0
    }
}

impl LoopDevice {
    /// A device over a new file, which bypasses the page cache.
    fn make(image: &Path, len_bytes: u64) -> Result<LoopDevice, Unavailable> {
        let made = File::create_new(image).and_then(|file| file.set_len(len_bytes));
        made.unwrap_or_else(|error| panic!("{}: {error}", image.display()));
        let device = run("losetup", &["--find", "--show", "--direct-io=on", text(image)]);
        device.map(LoopDevice).map_err(Unavailable)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        undo("losetup", &["--detach", &self.0]);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        undo("umount", &[text(&self.0)]);
    }
}

fn undo(tool: &str, arguments: &[&str]) {
    if let Err(why) = run(tool, arguments) {
        eprintln!("{why}: undo it by hand");
    }
}

/// Whether the process has the right to mount (CAP_SYS_ADMIN, bit 21 of its effective capabilities).
fn may_mount() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask >> 21 & 1 == 1)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs a tool to its end. Gives what it printed, or what it complained of.
fn run(tool: &str, arguments: &[&str]) -> Result<String, String> {
    let output = match Command::new(tool).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(format!("there is no {tool}")),
        Err(error) => return Err(format!("{tool}: {error}")),
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{tool} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
