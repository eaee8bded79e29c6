//! Data directories: what is in one, and whether it may be used.
//!
//! A data directory holds `sextant.json` (the manifest) and one folder for each node. It is refused when it exists, unless
//! reuse is asked for and everything that shapes the stored data agrees.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uring::FileSystem;

use crate::exit::Failure;

/// The version of the manifest and of what the engines store beside it.
pub const FORMAT_VERSION: u32 = 1;
const MANIFEST: &str = "sextant.json";

/// What a data directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format_version: u32,
    /// The engine whose data it is.
    pub engine: String,
    /// The workload whose first rows were loaded.
    pub workload: String,
    /// Tables.
    pub tables: u16,
    /// Rows of each table.
    pub rows: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Seed of the loaded rows.
    pub seed: u64,
    /// Whether the load was finished.
    pub loaded: bool,
    /// Whether the last run over it ended in order. A run that was killed leaves transactions that no journal has.
    pub closed: bool,
    /// Folders on other devices that hold some of the nodes.
    #[serde(default)]
    pub disks: Vec<PathBuf>,
    /// Whether the database keeps a binlog (coupled engines).
    #[serde(default)]
    pub binlog: bool,
    /// Runs over this data so far; stamps of one era are never used again.
    pub era: u16,
}

/// A data directory in use.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
    is_temporary: bool,
    /// It was made by this process, so without its first rows it is worth nothing.
    is_new: bool,
}

impl DataDir {
    /// Makes `path`, or takes it up again when `reuse` says so.
    ///
    /// # Errors
    ///
    /// It exists and is not to be reused; it holds other data, an unfinished load, or another format; it cannot be made.
    pub fn open(path: &Path, wanted: Manifest, reuse: bool) -> Result<DataDir, Failure> {
        let name = path.display();
        if !is_occupied(path)? {
            fs::create_dir_all(path).map_err(|error| Failure::io(format!("data directory {name}: {error}")))?;
            let dir = DataDir { path: path.to_owned(), manifest: wanted, is_temporary: false, is_new: true };
            dir.save()?;
            return Ok(dir);
        }
        if !reuse {
            return Err(Failure::usage(format!(
                "data directory {name} exists; give --reuse to run on what it holds, or another --data-dir, or remove it"
            )));
        }
        let found = DataDir::read(path)?;
        let same = Manifest {
            loaded: found.manifest.loaded,
            closed: found.manifest.closed,
            era: found.manifest.era,
            ..wanted.clone()
        };
        if found.manifest != same {
            return Err(Failure::usage(format!(
                "data directory {name} holds {}, not {}; ask for the same, or use another directory",
                describe(&found.manifest),
                describe(&wanted)
            )));
        }
        if !found.manifest.loaded {
            return Err(Failure::usage(format!("data directory {name}: loading it was not finished; remove it")));
        }
        Ok(found)
    }

    /// Takes up an existing directory, whatever it holds.
    pub fn read(path: &Path) -> Result<DataDir, Failure> {
        let file = path.join(MANIFEST);
        let text = fs::read_to_string(&file).map_err(|error| {
            Failure::io(format!("{} is no data directory of sextant: {}: {error}", path.display(), file.display()))
        })?;
        let version =
            serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|value| value["format_version"].as_u64());
        if let Some(version) = version.filter(|version| *version != u64::from(FORMAT_VERSION)) {
            return Err(Failure::usage(format!(
                "{} has format version {version} and this sextant reads {FORMAT_VERSION}; use the sextant that wrote it",
                path.display()
            )));
        }
        let manifest = serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("{}: {error}; remove the directory", file.display())))?;
        Ok(DataDir { path: path.to_owned(), manifest, is_temporary: false, is_new: false })
    }

    /// A directory that is removed when it is dropped.
    pub fn temporary(path: &Path, wanted: Manifest) -> Result<DataDir, Failure> {
        let mut dir = DataDir::open(path, wanted, false)?;
        dir.is_temporary = true;
        Ok(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All folders that hold nodes: this one, and those on other devices.
    pub fn folders(&self) -> Vec<PathBuf> {
        std::iter::once(self.path.clone()).chain(self.manifest.disks.iter().cloned()).collect()
    }

    /// The name of the file system when it keeps files in memory only: nothing there is durable.
    pub fn ram_disk(&self) -> Option<String> {
        FileSystem::of(&self.path).ok().filter(|kind| kind.in_memory()).map(FileSystem::name)
    }

    /// Notes that the first rows are there.
    pub fn mark_loaded(&mut self) -> Result<(), Failure> {
        self.manifest.loaded = true;
        self.save()
    }

    /// Notes that the run ended in order.
    pub fn mark_closed(&mut self) -> Result<(), Failure> {
        self.manifest.closed = true;
        self.save()
    }

    /// Starts another run over the data and gives its era.
    pub fn next_era(&mut self) -> Result<u16, Failure> {
        self.manifest.era += 1;
        self.manifest.closed = false;
        self.save()?;
        Ok(self.manifest.era)
    }

    fn save(&self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.manifest).expect("a manifest is plain data");
        let (file, fresh) = (self.path.join(MANIFEST), self.path.join("sextant.json.new"));
        let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &file));
        written.map_err(|error| Failure::io(format!("{}: {error}", file.display())))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.is_temporary || (self.is_new && !self.manifest.loaded) {
            for folder in self.folders() {
                // It was made for this run alone, or holds a load that was not finished; what cannot be removed is left for a person to see.
                let _ = fs::remove_dir_all(folder);
            }
        }
    }
}

fn is_occupied(path: &Path) -> Result<bool, Failure> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::io(format!("data directory {}: {error}", path.display()))),
    }
}

fn describe(manifest: &Manifest) -> String {
    let Manifest { engine, workload, tables, rows, page_bytes, seed, binlog, .. } = manifest;
    let binlog = if *binlog { ", with a binlog" } else { "" };
    format!("{engine} data of {workload} ({tables} × {rows} rows, pages of {page_bytes} bytes, seed {seed}{binlog})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn wanted() -> Manifest {
        Manifest {
            format_version: FORMAT_VERSION,
            engine: "coupled".into(),
            workload: "oltp_write_only".into(),
            tables: 1,
            rows: 10,
            page_bytes: 16384,
            seed: 1,
            loaded: false,
            closed: true,
            disks: Vec::new(),
            binlog: false,
            era: 0,
        }
    }

    #[test]
    fn an_existing_directory_is_used_only_when_asked_and_only_for_the_same_data() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("data");
        let mut dir = DataDir::open(&path, wanted(), false).expect("new");
        assert_eq!(DataDir::open(&path, wanted(), false).expect_err("exists").exit, Exit::Usage);
        assert!(DataDir::open(&path, wanted(), true).expect_err("unfinished").message.contains("not finished"));
        dir.mark_loaded().expect("saved");
        let mut again = DataDir::open(&path, wanted(), true).expect("the same data");
        assert_eq!((again.next_era().expect("saved"), again.next_era().expect("saved")), (1, 2));
        let other = Manifest { rows: 11, ..wanted() };
        assert!(DataDir::open(&path, other, true).expect_err("other rows").message.contains("10 rows"));
        let other = Manifest { binlog: true, ..wanted() };
        assert!(DataDir::open(&path, other, true).expect_err("no binlog").message.contains("with a binlog"));
    }

    #[test]
    fn another_format_version_is_named() {
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join(MANIFEST), "{\"format_version\": 9}").expect("written");
        let failure = DataDir::read(place.path()).expect_err("version 9");
        assert!(failure.message.contains("version 9"), "{failure}");
    }

    #[test]
    fn a_temporary_directory_goes_away() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("data");
        drop(DataDir::temporary(&path, wanted()).expect("new"));
        assert!(!path.exists());
    }
}
