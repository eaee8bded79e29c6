//! Bytes: reading, writing, extending.

use super::DiskUnderTest;
use super::bench::{Bench, SECTOR, is_zero, pattern};
use crate::{DiskError, DiskOp, FileId, SECTOR_BYTES};

const FILE: FileId = FileId(2);
const OTHER: FileId = FileId(3);

/// What was written, durably or not, is what is read, at any multiple of the sector.
pub fn a_write_is_read_back<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 64 * SECTOR);
    for (salt, (offset, sectors)) in [(0, 1), (1, 1), (3, 5), (8, 8), (17, 31), (63, 1)].into_iter().enumerate() {
        let block = pattern(salt as u64, sectors);
        if salt % 2 == 0 {
            bench.write(FILE, offset * SECTOR, block.clone());
        } else {
            bench.write_durably(FILE, offset * SECTOR, block.clone());
        }
        assert_eq!(bench.read(FILE, offset * SECTOR, sectors * SECTOR_BYTES), block, "at sector {offset}");
    }
    bench.sync(FILE);
    bench.sync_dir();
    assert_eq!(bench.read(FILE, 17 * SECTOR, 31 * SECTOR_BYTES), pattern(4, 31));
    bench.end();
}

/// The sectors before and after a write keep what they held.
pub fn a_write_touches_no_other_sector<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 24 * SECTOR);
    bench.write(FILE, 0, pattern(1, 24));
    bench.write(FILE, 9 * SECTOR, pattern(2, 3));
    let all = bench.read(FILE, 0, 24 * SECTOR_BYTES);
    let (before, after) = (pattern(1, 24), pattern(2, 3));
    assert_eq!(all[..9 * SECTOR_BYTES], before[..9 * SECTOR_BYTES]);
    assert_eq!(all[9 * SECTOR_BYTES..12 * SECTOR_BYTES], after[..]);
    assert_eq!(all[12 * SECTOR_BYTES..], before[12 * SECTOR_BYTES..]);
    bench.end();
}

/// A write submitted after another's completion replaces it.
pub fn the_later_of_two_writes_is_seen<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 4 * SECTOR);
    for salt in 0..20 {
        bench.write(FILE, SECTOR, pattern(salt, 2));
        if salt % 3 == 0 {
            bench.sync(FILE);
        }
        assert_eq!(bench.read(FILE, SECTOR, 1024), pattern(salt, 2));
    }
    bench.end();
}

/// A read is not bound to the bounds of the writes.
pub fn a_read_may_cover_several_writes<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 16 * SECTOR);
    bench.write(FILE, 2 * SECTOR, pattern(1, 4));
    bench.write(FILE, 8 * SECTOR, pattern(2, 4));
    let got = bench.read(FILE, 4 * SECTOR, 6 * SECTOR_BYTES);
    assert_eq!(got[..2 * SECTOR_BYTES], pattern(1, 4)[2 * SECTOR_BYTES..]);
    assert!(is_zero(&got[2 * SECTOR_BYTES..4 * SECTOR_BYTES]));
    assert_eq!(got[4 * SECTOR_BYTES..], pattern(2, 4)[..2 * SECTOR_BYTES]);
    bench.end();
}

/// A read that ends past the end fails as a whole and names the length.
pub fn reading_beyond_the_end_is_out_of_range<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 8 * SECTOR);
    for (offset, sectors) in [(8, 1), (7, 2), (0, 9), (100, 1)] {
        let read = DiskOp::Read { file: FILE, offset: offset * SECTOR, len_bytes: sectors * SECTOR_BYTES };
        assert_eq!(bench.run(read).unwrap_err(), DiskError::OutOfRange { len_bytes: 8 * SECTOR });
    }
    assert!(is_zero(&bench.read(FILE, 7 * SECTOR, SECTOR_BYTES)));
    bench.end();
}

/// A write that ends past the end fails as a whole and leaves length and bytes alone.
pub fn writing_beyond_the_end_is_out_of_range_and_grows_nothing<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 8 * SECTOR);
    for (offset, sectors, durable) in [(8, 1, false), (7, 2, true), (50, 1, false)] {
        let write = DiskOp::Write { file: FILE, offset: offset * SECTOR, data: pattern(1, sectors), durable };
        assert_eq!(bench.run(write).unwrap_err(), DiskError::OutOfRange { len_bytes: 8 * SECTOR });
    }
    assert_eq!(bench.list(), [("data".to_owned(), 8 * SECTOR)]);
    assert!(is_zero(&bench.read(FILE, 0, 8 * SECTOR_BYTES)));
    bench.end();
}

/// The new part reads as zeroes and can be written; the old part stays.
pub fn extending_adds_zeroes_and_keeps_contents<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 3 * SECTOR);
    bench.write(FILE, 0, pattern(1, 3));
    bench.extend(FILE, 300 * SECTOR);
    assert_eq!(bench.read(FILE, 0, 3 * SECTOR_BYTES), pattern(1, 3));
    assert!(is_zero(&bench.read(FILE, 3 * SECTOR, 297 * SECTOR_BYTES)));
    bench.write(FILE, 298 * SECTOR, pattern(2, 2));
    assert_eq!(bench.read(FILE, 298 * SECTOR, 1024), pattern(2, 2));
    assert_eq!(bench.list(), [("data".to_owned(), 300 * SECTOR)]);
    bench.end();
}

/// Extending never shortens.
pub fn extending_to_less_changes_nothing<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 8 * SECTOR);
    bench.write(FILE, 0, pattern(1, 8));
    for sectors in [0, 1, 7, 8] {
        bench.extend(FILE, sectors * SECTOR);
        assert_eq!(bench.read(FILE, 0, 8 * SECTOR_BYTES), pattern(1, 8));
    }
    assert_eq!(bench.list(), [("data".to_owned(), 8 * SECTOR)]);
    bench.end();
}

/// One operation of eight megabytes is carried out whole, however many the kernel makes of it.
pub fn blocks_of_many_megabytes_are_whole<D: DiskUnderTest>(disk: D) {
    const SECTORS: usize = 16_384;
    let mut bench = Bench::new(disk);
    bench.create(FILE, "large", (SECTORS as u64 + 2) * SECTOR);
    bench.write(FILE, SECTOR, pattern(9, SECTORS));
    bench.sync(FILE);
    assert!(bench.read(FILE, SECTOR, SECTORS * SECTOR_BYTES) == pattern(9, SECTORS), "the block came back changed");
    assert!(is_zero(&bench.read(FILE, 0, SECTOR_BYTES)));
    assert!(is_zero(&bench.read(FILE, (SECTORS as u64 + 1) * SECTOR, SECTOR_BYTES)));
    bench.end();
}

/// Two files written at the same offsets keep their own bytes.
pub fn files_do_not_share_bytes<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "one", 4 * SECTOR);
    bench.create(OTHER, "two", 4 * SECTOR);
    bench.write(FILE, 0, pattern(1, 4));
    bench.write(OTHER, 0, pattern(2, 4));
    assert_eq!(bench.read(FILE, 0, 2048), pattern(1, 4));
    assert_eq!(bench.read(OTHER, 0, 2048), pattern(2, 4));
    bench.end();
}
