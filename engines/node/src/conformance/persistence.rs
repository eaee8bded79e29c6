//! What is still there after the process, or the power, went away.

use super::DiskUnderTest;
use super::bench::{Bench, SECTOR, is_zero, pattern};
use crate::{DiskError, DiskOp, FileId, SECTOR_BYTES};

const FILE: FileId = FileId(4);
const OTHER: FileId = FileId(5);

/// A killed process loses nothing that completed, synced or not.
pub fn contents_and_names_survive_reopening<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "synced", 8 * SECTOR);
    bench.create(OTHER, "unsynced", 4 * SECTOR);
    bench.write(FILE, SECTOR, pattern(1, 3));
    bench.sync(FILE);
    bench.sync_dir();
    bench.write(OTHER, 0, pattern(2, 4));
    bench.extend(OTHER, 6 * SECTOR);
    let mut bench = bench.reopen();
    assert_eq!(bench.list(), [("synced".to_owned(), 8 * SECTOR), ("unsynced".to_owned(), 6 * SECTOR)]);
    assert_eq!(bench.open(OTHER, "synced"), Ok(8 * SECTOR));
    assert_eq!(bench.open(FILE, "unsynced"), Ok(6 * SECTOR));
    assert_eq!(bench.read(OTHER, SECTOR, 3 * SECTOR_BYTES), pattern(1, 3));
    assert_eq!(bench.read(FILE, 0, 4 * SECTOR_BYTES), pattern(2, 4));
    assert!(is_zero(&bench.read(FILE, 4 * SECTOR, 2 * SECTOR_BYTES)));
    bench.end();
}

/// What a killed process removed or replaced stays so.
pub fn removals_and_replacements_survive_reopening<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "gone", SECTOR);
    bench.create(OTHER, "renewed", 4 * SECTOR);
    bench.write(OTHER, 0, pattern(1, 4));
    bench.remove("gone");
    bench.remove("renewed");
    bench.create(OTHER, "renewed", 2 * SECTOR);
    let mut bench = bench.reopen();
    assert_eq!(bench.list(), [("renewed".to_owned(), 2 * SECTOR)]);
    assert_eq!(bench.open(FILE, "renewed"), Ok(2 * SECTOR));
    assert!(is_zero(&bench.read(FILE, 0, 2 * SECTOR_BYTES)));
    assert_eq!(bench.open(OTHER, "gone"), Err(DiskError::NotFound));
    bench.end();
}

/// A number means nothing to the next process.
pub fn reopening_forgets_file_numbers<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", SECTOR);
    let mut bench = bench.reopen();
    assert!(bench.run(DiskOp::Read { file: FILE, offset: 0, len_bytes: SECTOR_BYTES }).is_err());
    assert_eq!(bench.open(FILE, "data"), Ok(SECTOR));
    assert!(is_zero(&bench.read(FILE, 0, SECTOR_BYTES)));
    bench.end();
}

/// A write submitted as durable needs no sync.
pub fn durable_writes_survive_power_loss<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "log", 8 * SECTOR);
    bench.sync_dir();
    bench.write(FILE, 0, pattern(1, 8));
    bench.write_durably(FILE, 2 * SECTOR, pattern(2, 2));
    let Some(mut bench) = bench.lose_power() else { return };
    assert_eq!(bench.open(FILE, "log"), Ok(8 * SECTOR));
    assert_eq!(bench.read(FILE, 2 * SECTOR, 2 * SECTOR_BYTES), pattern(2, 2));
    bench.end();
}

/// A sync covers every write that completed before it.
pub fn synced_writes_survive_power_loss<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "pages", 16 * SECTOR);
    bench.sync_dir();
    for i in 0..16 {
        bench.write(FILE, i * SECTOR, pattern(i, 1));
    }
    bench.write(FILE, 3 * SECTOR, pattern(30, 2));
    bench.sync(FILE);
    bench.write(FILE, 15 * SECTOR, pattern(40, 1));
    let Some(mut bench) = bench.lose_power() else { return };
    assert_eq!(bench.open(OTHER, "pages"), Ok(16 * SECTOR));
    for i in (0..15).filter(|i| !(3..5).contains(i)) {
        assert_eq!(bench.read(OTHER, i * SECTOR, SECTOR_BYTES), pattern(i, 1), "sector {i}");
    }
    assert_eq!(bench.read(OTHER, 3 * SECTOR, 2 * SECTOR_BYTES), pattern(30, 2));
    bench.end();
}

/// A directory sync covers every creation and removal that completed before it, and a created file's zeroes are durable
/// without a sync of their own.
pub fn names_survive_power_loss_after_a_directory_sync<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "first", SECTOR);
    bench.sync_dir();
    bench.create(OTHER, "second", 9 * SECTOR);
    bench.remove("first");
    bench.sync_dir();
    let Some(mut bench) = bench.lose_power() else { return };
    assert_eq!(bench.list(), [("second".to_owned(), 9 * SECTOR)]);
    assert_eq!(bench.open(FILE, "second"), Ok(9 * SECTOR));
    assert!(is_zero(&bench.read(FILE, 0, 9 * SECTOR_BYTES)));
    bench.end();
}

/// An extension is durable when it completes.
pub fn extended_lengths_survive_power_loss<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", SECTOR);
    bench.sync_dir();
    bench.extend(FILE, 12 * SECTOR);
    bench.write_durably(FILE, 11 * SECTOR, pattern(1, 1));
    let Some(mut bench) = bench.lose_power() else { return };
    assert_eq!(bench.open(FILE, "data"), Ok(12 * SECTOR));
    assert_eq!(bench.read(FILE, 11 * SECTOR, SECTOR_BYTES), pattern(1, 1));
    assert!(is_zero(&bench.read(FILE, SECTOR, 10 * SECTOR_BYTES)));
    bench.end();
}
