//! Data directories: their locks, what file system they lie on, and the nodes' directories inside them.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use node::NodeId;

use crate::disk::file::{Directory, probe_direct};
use crate::error::Error;
use crate::report::DiskReport;
use crate::sys;

const LOCK_NAME: &str = "LOCK";

/// A directory only this runtime uses, or only those that share it, as long as this value lives. The lock ends with the
/// process, however it ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
    /// Locks on the directories of this runtime's nodes, where it shares the data directory with others.
    node_locks: Option<Vec<File>>,
}

impl DataDir {
    /// Creates the directory if need be and locks it, together with others if it is `shared`.
    pub(crate) fn lock(path: &Path, shared: bool) -> Result<DataDir, Error> {
        std::fs::create_dir_all(path).map_err(|error| Error::io("create", path, error))?;
        let lock_path = path.join(LOCK_NAME);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| Error::io("open", &lock_path, error))?;
        match sys::try_lock(&lock, shared) {
            Ok(true) => Ok(DataDir { path: path.to_path_buf(), _lock: lock, node_locks: shared.then(Vec::new) }),
            Ok(false) => Err(Error::InUse { directory: path.to_path_buf() }),
            Err(error) => Err(Error::io("lock", lock_path, error)),
        }
    }

    /// The directory of one node, made if need be and free of half-made files.
    pub(crate) fn node_dir(
        &mut self,
        node: NodeId,
        name: &str,
        direct_io: bool,
    ) -> Result<(Directory, DiskReport), Error> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Error::io("create", &path, error))?;
        if let Some(locks) = &mut self.node_locks {
            let lock = File::open(&path).map_err(|error| Error::io("open", &path, error))?;
            match sys::try_lock(&lock, false) {
                Ok(true) => locks.push(lock),
                Ok(false) => return Err(Error::InUse { directory: path }),
                Err(error) => return Err(Error::io("lock", path, error)),
            }
        }
        // The node's own directory must survive power loss before anything in it can.
        let parent = File::open(&self.path).and_then(|parent| parent.sync_all());
        parent.map_err(|error| Error::io("sync", &self.path, error))?;
        let file_system = FileSystem::of(&path)?;
        let buffered_because = match direct_io {
            true => probe_direct(&path).err(),
            false => Some("the configuration asks for buffered files".into()),
        };
        let directory = Directory { path: path.clone(), direct: buffered_because.is_none() };
        directory.sweep().map_err(|error| Error::io("sweep", &path, error))?;
        let report = DiskReport {
            node,
            directory: path,
            file_system: file_system.name(),
            in_memory: file_system.in_memory(),
            direct: directory.direct,
            buffered_because,
        };
        Ok((directory, report))
    }
}

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    magic: u64,
}

const KNOWN: [(u64, &str); 13] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0xf2f5_2010, "f2fs"),
    (0x2fc1_2fc1, "zfs"),
    (0xca45_1a4e, "bcachefs"),
    (0x794c_7630, "overlayfs"),
    (0x6573_5546, "fuse"),
    (0x6969, "nfs"),
    (0x0102_1997, "9p"),
    (TMPFS, "tmpfs"),
    (RAMFS, "ramfs"),
    (0x4d44, "vfat"),
];
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

impl FileSystem {
    /// The file system `path` lies on.
    ///
    /// # Errors
    ///
    /// The path does not exist or cannot be opened.
    pub fn of(path: &Path) -> Result<FileSystem, Error> {
        let magic = sys::file_system_magic(path).map_err(|error| Error::io("inspect", path, error))?;
        Ok(FileSystem { magic: magic & 0xffff_ffff })
    }

    /// Its name, or its magic number where the name is not known.
    pub fn name(self) -> String {
        let known = KNOWN.iter().find(|(magic, _)| *magic == self.magic);
        known.map_or_else(|| format!("unknown ({:#x})", self.magic), |(_, name)| (*name).into())
    }

    /// Whether it keeps files in memory only, so that nothing written to it is durable.
    pub fn in_memory(self) -> bool {
        matches!(self.magic, TMPFS | RAMFS)
    }
}
