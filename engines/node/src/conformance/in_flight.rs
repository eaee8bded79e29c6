//! Many operations under way together: each answered once, none mistaken for another.

use std::collections::BTreeMap;

use super::DiskUnderTest;
use super::bench::{Bench, SECTOR, data, done, is_zero, opened, pattern};
use crate::{Block, DiskError, DiskOp, DiskReply, FileId, FileName, Rng, SECTOR_BYTES, Token};

const FILE: FileId = FileId(0);

fn write(file: FileId, offset: u64, data: Block, durable: bool) -> DiskOp {
    DiskOp::Write { file, offset, data, durable }
}

fn read(file: FileId, offset: u64, sectors: usize) -> DiskOp {
    DiskOp::Read { file, offset, len_bytes: sectors * SECTOR_BYTES }
}

/// More operations at once than any ring has entries.
pub fn many_operations_complete_once_each<D: DiskUnderTest>(disk: D) {
    const COUNT: u64 = 3_000;
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", COUNT * SECTOR);
    let writes = (0..COUNT).map(|i| bench.submit(write(FILE, i * SECTOR, pattern(i, 1), i % 64 == 0))).collect();
    bench.finish_all(writes).into_iter().for_each(done);
    let reads = (0..COUNT).rev().map(|i| bench.submit(read(FILE, i * SECTOR, 1))).collect();
    for (i, result) in (0..COUNT).rev().zip(bench.finish_all(reads)) {
        assert_eq!(data(result, SECTOR_BYTES), pattern(i, 1), "sector {i}");
    }
    bench.end();
}

/// Creations, writes, reads and syncs of many files interleave.
pub fn operations_on_many_files_at_once<D: DiskUnderTest>(disk: D) {
    const FILES: u32 = 24;
    let mut bench = Bench::new(disk);
    let name = |i: u32| FileName::new(format!("f-{i:02}"));
    let creations: Vec<Token> = (0..FILES)
        .map(|i| bench.submit(DiskOp::Create { file: FileId(i), name: name(i), len_bytes: 8 * SECTOR }))
        .collect();
    for result in bench.finish_all(creations) {
        assert_eq!(opened(result), Ok(8 * SECTOR));
    }
    let mut writes = Vec::new();
    for i in 0..FILES {
        writes.push(bench.submit(write(FileId(i), 0, pattern(i.into(), 4), i % 2 == 0)));
        writes.push(bench.submit(DiskOp::Sync { file: FileId(i) }));
        writes.push(bench.submit(write(FileId(i), 4 * SECTOR, pattern(100 + u64::from(i), 4), false)));
    }
    writes.push(bench.submit(DiskOp::SyncDir));
    bench.finish_all(writes).into_iter().for_each(done);
    for i in 0..FILES {
        let got = bench.read(FileId(i), 0, 8 * SECTOR_BYTES);
        assert_eq!(got[..2048], pattern(i.into(), 4)[..]);
        assert_eq!(got[2048..], pattern(100 + u64::from(i), 4)[..]);
    }
    assert_eq!(bench.list().len(), FILES as usize);
    bench.end();
}

/// Files come and go while another one is read and written.
pub fn names_change_while_data_is_in_flight<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "stays", 64 * SECTOR);
    for round in 0..16u32 {
        let passing = FileId(1 + round % 3);
        let name = FileName::new(format!("passing-{round}"));
        let mut tokens: Vec<Token> = (0..32)
            .map(|i| bench.submit(write(FILE, 2 * i * SECTOR, pattern(u64::from(round) * 100 + i, 2), false)))
            .collect();
        let created =
            bench.submit(DiskOp::Create { file: passing, name: name.clone(), len_bytes: u64::from(round) * SECTOR });
        assert_eq!(opened(bench.finish(created)), Ok(u64::from(round) * SECTOR));
        tokens.push(bench.submit(DiskOp::Remove { name }));
        tokens.push(bench.submit(DiskOp::SyncDir));
        bench.finish_all(tokens).into_iter().for_each(done);
        for i in 0..32 {
            assert_eq!(bench.read(FILE, 2 * i * SECTOR, 1024), pattern(u64::from(round) * 100 + i, 2));
        }
    }
    assert_eq!(bench.list(), [("stays".to_owned(), 64 * SECTOR)]);
    bench.end();
}

/// Any 64 bits are a token, and one may be used again once it is answered.
pub fn tokens_come_back_as_they_were_given<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 8 * SECTOR);
    let tokens = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, 1 << 56, (1 << 56) - 1].map(Token);
    for _ in 0..3 {
        for (i, &token) in (0..).zip(&tokens) {
            bench.submit_as(token, write(FILE, i * SECTOR, pattern(i, 1), false));
        }
        bench.finish_all(tokens.to_vec()).into_iter().for_each(done);
        for (i, &token) in (0..).zip(&tokens) {
            bench.submit_as(token, read(FILE, i * SECTOR, 1));
        }
        for (i, result) in (0..).zip(bench.finish_all(tokens.to_vec())) {
            assert_eq!(data(result, SECTOR_BYTES), pattern(i, 1));
        }
    }
    bench.end();
}

/// A read in flight together with a write over the same bytes may see any mixture of them, but of nothing else. Not
/// even one sector need be whole: a buffered read copies out of the page cache while the write copies into it.
pub fn a_read_beside_a_write_sees_old_and_new_bytes_only<D: DiskUnderTest>(disk: D) {
    const SECTORS: usize = 32;
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", SECTORS as u64 * SECTOR);
    bench.write(FILE, 0, pattern(0, SECTORS));
    for round in 1..50 {
        let (old, new) = (pattern(round - 1, SECTORS), pattern(round, SECTORS));
        let before = bench.submit(read(FILE, 0, SECTORS));
        let writing = bench.submit(write(FILE, 0, new.clone(), round % 2 == 0));
        let beside = bench.submit(read(FILE, 0, SECTORS));
        for token in [before, beside] {
            let got = data(bench.finish(token), SECTORS * SECTOR_BYTES);
            let foreign =
                got.iter().zip(old.iter().zip(new.iter())).position(|(got, (old, new))| got != old && got != new);
            assert_eq!(foreign, None, "round {round}: a byte that is neither old nor new");
        }
        done(bench.finish(writing));
        assert_eq!(bench.read(FILE, 0, SECTORS * SECTOR_BYTES), new, "round {round}: the write is complete");
    }
    bench.end();
}

/// Operations that fail do not disturb those that do not.
pub fn failures_among_operations_in_flight_stay_alone<D: DiskUnderTest>(disk: D) {
    let mut bench = Bench::new(disk);
    bench.create(FILE, "data", 64 * SECTOR);
    let mut tokens = Vec::new();
    for i in 0..64 {
        let good = bench.submit(write(FILE, i * SECTOR, pattern(i, 1), i % 8 == 0));
        let beyond = bench.submit(read(FILE, 64 * SECTOR, 1));
        let nowhere = bench.submit(write(FileId(77), 0, pattern(i, 1), false));
        let unknown = bench.submit(DiskOp::Open { file: FileId(78), name: FileName::new("absent") });
        tokens.push((good, beyond, nowhere, unknown));
    }
    for (good, beyond, nowhere, unknown) in tokens {
        done(bench.finish(good));
        assert_eq!(bench.finish(beyond).unwrap_err(), DiskError::OutOfRange { len_bytes: 64 * SECTOR });
        assert_eq!(bench.finish(nowhere).unwrap_err(), DiskError::BAD_FILE);
        assert_eq!(opened(bench.finish(unknown)), Err(DiskError::NotFound));
    }
    for i in 0..64 {
        assert_eq!(bench.read(FILE, i * SECTOR, SECTOR_BYTES), pattern(i, 1));
    }
    bench.end();
}

/// Hundreds of random batches against files held in memory. Operations of a batch do not overlap, so their order does
/// not matter.
pub fn random_operations_match_a_model<D: DiskUnderTest>(disk: D) {
    let mut rng = Rng::new(0x5e87_a217);
    let mut bench = Bench::new(disk);
    let mut model: BTreeMap<FileId, Vec<u8>> = BTreeMap::new();
    let name = |file: FileId| FileName::new(format!("file-{}", file.0));
    for round in 0..300u64 {
        let file = FileId(rng.below(5) as u32);
        match model.get_mut(&file) {
            None => {
                let len_bytes = rng.between(1, 40) * SECTOR;
                bench.create(file, name(file).as_str(), len_bytes);
                model.insert(file, vec![0; len_bytes as usize]);
            }
            Some(_) if rng.chance(0.04) => {
                bench.remove(name(file).as_str());
                model.remove(&file);
            }
            Some(bytes) if rng.chance(0.08) => {
                let len_bytes = rng.between(0, 80) * SECTOR;
                bench.extend(file, len_bytes);
                bytes.resize(bytes.len().max(len_bytes as usize), 0);
            }
            Some(bytes) => random_batch(&mut bench, &mut rng, round, file, bytes),
        }
        if round % 50 == 49 {
            bench = bench.reopen();
            for (&file, bytes) in &model {
                assert_eq!(bench.open(file, name(file).as_str()), Ok(bytes.len() as u64));
            }
        }
    }
    let expected: Vec<_> =
        model.iter().map(|(&file, bytes)| (name(file).as_str().to_owned(), bytes.len() as u64)).collect();
    assert_eq!(bench.list(), expected);
    bench.end();
}

/// Reads or writes disjoint ranges of `file` together, with a sync among them.
fn random_batch<D: DiskUnderTest>(bench: &mut Bench<D>, rng: &mut Rng, round: u64, file: FileId, bytes: &mut [u8]) {
    let mut expected: Vec<(Token, Option<Vec<u8>>)> = Vec::new();
    let sectors_total = bytes.len() / SECTOR_BYTES;
    let mut at = 0;
    while at < sectors_total {
        let sectors = rng.between(1, 9).min((sectors_total - at) as u64) as usize;
        let range = at * SECTOR_BYTES..(at + sectors) * SECTOR_BYTES;
        let offset = at as u64 * SECTOR;
        match rng.below(3) {
            0 => {
                let block = pattern(round * 1_000 + at as u64, sectors);
                bytes[range].copy_from_slice(&block);
                expected.push((bench.submit(write(file, offset, block, rng.chance(0.3))), None));
            }
            1 => expected.push((bench.submit(read(file, offset, sectors)), Some(bytes[range].to_vec()))),
            _ => {}
        }
        at += sectors;
    }
    expected.push((bench.submit(DiskOp::Sync { file }), None));
    for (token, contents) in expected {
        match (bench.finish(token), contents) {
            (Ok(DiskReply::Data(block)), Some(contents)) => assert!(*block == contents[..], "round {round}: {token:?}"),
            (Ok(DiskReply::Done), None) => {}
            (other, _) => panic!("round {round}: {token:?} answered {other:?}"),
        }
    }
    let whole = bench.read(file, 0, bytes.len());
    assert!(*whole == *bytes, "round {round}: the file differs from the model");
    assert!(!is_zero(&whole) || is_zero(bytes));
}
