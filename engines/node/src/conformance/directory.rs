//! Names: creating, opening, listing, removing.

use super::DiskUnderTest;
use super::bench::{Bench, SECTOR, is_zero, opened, pattern};
use crate::{DiskError, DiskOp, FileId, FileName};

const FILE: FileId = FileId(1);
const OTHER: FileId = FileId(7);

/// A new directory holds no names.
pub fn an_empty_directory_lists_nothing<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    assert_eq!(bench.list(), []);
    bench.end();
}

/// Creating gives an open file of zeroes with the length asked for.
pub fn a_created_file_is_open_zeroed_and_listed<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data-0.pages", 64 * SECTOR);
    assert!(is_zero(&bench.read(FILE, 0, 64 * 512)));
    assert_eq!(bench.list(), [("data-0.pages".to_owned(), 64 * SECTOR)]);
    bench.end();
}

/// Creating over an existing name leaves nothing of the old contents or length.
pub fn a_created_file_replaces_one_of_the_same_name<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "log", 8 * SECTOR);
    bench.write(FILE, 0, pattern(1, 8));
    bench.remove("log");
    bench.create(FILE, "log", 8 * SECTOR);
    bench.write(FILE, 0, pattern(2, 8));
    bench.create(OTHER, "log", 3 * SECTOR);
    assert!(is_zero(&bench.read(OTHER, 0, 3 * 512)));
    assert_eq!(bench.list(), [("log".to_owned(), 3 * SECTOR)]);
    bench.end();
}

/// A length of zero is a length.
pub fn an_empty_file_can_be_created_and_extended<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "empty", 0);
    assert_eq!(
        bench.run(DiskOp::Read { file: FILE, offset: 0, len_bytes: 512 }).unwrap_err(),
        DiskError::OutOfRange { len_bytes: 0 }
    );
    bench.extend(FILE, SECTOR);
    bench.write(FILE, 0, pattern(3, 1));
    assert_eq!(bench.read(FILE, 0, 512), pattern(3, 1));
    bench.end();
}

/// A second number for the same file sees the same bytes, and opening tells the length.
pub fn opening_a_file_tells_its_length<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "wal-00.seg", 16 * SECTOR);
    bench.write(FILE, 4 * SECTOR, pattern(4, 2));
    bench.extend(FILE, 20 * SECTOR);
    assert_eq!(bench.open(OTHER, "wal-00.seg"), Ok(20 * SECTOR));
    assert_eq!(bench.read(OTHER, 4 * SECTOR, 1024), pattern(4, 2));
    bench.end();
}

/// A name that was never created is `NotFound`, also beside names that begin alike.
pub fn opening_an_unknown_name_finds_nothing<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    assert_eq!(bench.open(FILE, "super"), Err(DiskError::NotFound));
    bench.create(FILE, "super.0", SECTOR);
    assert_eq!(bench.open(OTHER, "super"), Err(DiskError::NotFound));
    assert_eq!(bench.list().len(), 1, "a failed open creates nothing");
    bench.end();
}

/// A listing is sorted by name, whatever the order of creation.
pub fn names_are_listed_in_order_with_lengths<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    for (index, name) in ["m", "a", "z.1", "a-1", "a.1", "00"].into_iter().enumerate() {
        bench.create(FileId(index as u32), name, (index as u64 + 1) * SECTOR);
    }
    let expected =
        [("00", 6), ("a", 2), ("a-1", 4), ("a.1", 5), ("m", 1), ("z.1", 3)].map(|(n, s)| (n.to_owned(), s * SECTOR));
    assert_eq!(bench.list(), expected);
    bench.end();
}

/// A removed name can be neither listed nor opened, and its neighbours stay.
pub fn a_removed_name_is_gone<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "gone", SECTOR);
    bench.create(OTHER, "stays", SECTOR);
    bench.write(OTHER, 0, pattern(5, 1));
    bench.remove("gone");
    assert_eq!(bench.list(), [("stays".to_owned(), SECTOR)]);
    assert_eq!(bench.open(FILE, "gone"), Err(DiskError::NotFound));
    assert_eq!(bench.read(OTHER, 0, 512), pattern(5, 1));
    bench.end();
}

/// Removal may be repeated after a crash without knowing how far it got.
pub fn removing_an_unknown_name_is_no_error<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.remove("never-there");
    bench.create(FILE, "there", SECTOR);
    bench.remove("there");
    bench.remove("there");
    assert_eq!(bench.list(), []);
    bench.end();
}

/// Removing a file frees its number for another.
pub fn the_number_of_a_removed_file_can_be_used_again<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "first", SECTOR);
    bench.write(FILE, 0, pattern(6, 1));
    bench.remove("first");
    bench.create(FILE, "second", 2 * SECTOR);
    assert!(is_zero(&bench.read(FILE, 0, 1024)));
    bench.write(FILE, SECTOR, pattern(7, 1));
    assert_eq!(bench.read(FILE, SECTOR, 512), pattern(7, 1));
    assert_eq!(bench.list(), [("second".to_owned(), 2 * SECTOR)]);
    bench.end();
}

/// An operation on a number that was never opened fails, whatever it is, and is answered.
pub fn a_number_without_a_file_is_refused<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "there", SECTOR);
    for op in [
        DiskOp::Read { file: OTHER, offset: 0, len_bytes: 512 },
        DiskOp::Write { file: OTHER, offset: 0, data: pattern(8, 1), durable: true },
        DiskOp::Extend { file: OTHER, len_bytes: SECTOR },
        DiskOp::Sync { file: OTHER },
    ] {
        assert_eq!(bench.run(op.clone()).unwrap_err(), DiskError::BAD_FILE, "{op:?} on an unknown number");
    }
    let failed = bench.run(DiskOp::Open { file: OTHER, name: FileName::new("absent") });
    assert_eq!(opened(failed), Err(DiskError::NotFound));
    assert!(bench.run(DiskOp::Sync { file: OTHER }).is_err(), "a failed open opens nothing");
    assert!(is_zero(&bench.read(FILE, 0, 512)));
    bench.end();
}
