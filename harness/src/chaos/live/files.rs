//! What is done to the files of a node whose process is down.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use node::{Rng, SECTOR_BYTES};

/// The files in a directory, in order of name.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Whether any file of the directory holds anything.
///
/// # Errors
///
/// It cannot be read.
pub(super) fn hold_data(directory: &Path) -> io::Result<bool> {
    let lengths = files(directory)?.iter().map(|path| Ok(fs::metadata(path)?.len())).collect::<io::Result<Vec<_>>>()?;
    Ok(lengths.iter().any(|len_bytes| *len_bytes > 0))
}

/// Takes all files away; the directory stays.
///
/// # Errors
///
/// One cannot be taken away.
pub(super) fn empty(directory: &Path) -> io::Result<()> {
    files(directory)?.iter().try_for_each(fs::remove_file)?;
    File::open(directory)?.sync_all()
}

/// Gives the directory `to` the files of `from` and no others. `to` is made if need be.
///
/// # Errors
///
/// They cannot be read or written.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    empty(to)?;
    for path in files(from)? {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        fs::copy(&path, to.join(name))?;
        File::open(to.join(name))?.sync_all()?;
    }
    File::open(to)?.sync_all()
}

/// Exchanges two directories.
///
/// # Errors
///
/// They cannot be renamed.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let aside = one.with_extension("aside");
    fs::rename(one, &aside)?;
    fs::rename(other, one)?;
    fs::rename(&aside, other)
}

/// Flips bits in up to `count` neighbouring sectors that hold anything but zeroes, in files whose names begin with `prefix`.
/// `place`, in millionths of all such sectors, says where. Gives the file's name and the sectors; `None` when nothing is
/// stored there.
///
/// # Errors
///
/// The files cannot be read or written.
pub(super) fn rot(
    directory: &Path,
    prefix: &str,
    (place, count): (u32, u64),
    rng: &mut Rng,
) -> io::Result<Option<(String, Vec<u64>)>> {
    let mut stored: Vec<(String, u64)> = Vec::new();
    for path in files(directory)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(prefix) {
            let bytes = fs::read(&path)?;
            let sectors = bytes.chunks_exact(SECTOR_BYTES).zip(0..);
            let full = sectors.filter(|(sector, _)| sector.iter().any(|byte| *byte != 0));
            stored.extend(full.map(|(_, number)| (name.clone(), number)));
        }
    }
    let at = (stored.len() as u64 * u64::from(place.min(999_999)) / 1_000_000) as usize;
    let Some((name, first)) = stored.get(at).cloned() else { return Ok(None) };
    let here = stored[at..].iter().filter(|(of, _)| *of == name).map(|(_, sector)| *sector);
    let struck: Vec<u64> = here.take_while(|sector| *sector < first + count.max(1)).collect();
    let file = OpenOptions::new().read(true).write(true).open(directory.join(&name))?;
    for sector in &struck {
        let (mut bytes, offset) = ([0; SECTOR_BYTES], sector * SECTOR_BYTES as u64);
        file.read_exact_at(&mut bytes, offset)?;
        for _ in 0..rng.between(1, 4) {
            bytes[rng.below(SECTOR_BYTES as u64) as usize] ^= 1 << rng.below(8);
        }
        file.write_all_at(&bytes, offset)?;
    }
    file.sync_all()?;
    Ok(Some((name, struck)))
}
