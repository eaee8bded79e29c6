//! What is durable when, and what power loss may take, operation by operation.

use std::collections::{BTreeMap, BTreeSet};

use node::fault::DiskRule;
use node::{Block, Delay, DiskError, DiskOp, DiskReply, DiskResult, FileId, FileName, Nanos, Rng, SECTOR_BYTES, Token};

use super::{DiskModel, SimDisk, Slot, Survival, Unit};

const FILE: FileId = FileId(1);
const SECTOR: u64 = SECTOR_BYTES as u64;

fn name(name: &str) -> FileName {
    FileName::new(name)
}

/// A sector full of `value`.
fn sector(value: u8) -> Block {
    sectors(&[value])
}

/// One sector for each of `values`, full of it.
fn sectors(values: &[u8]) -> Block {
    let bytes: Vec<u8> = values.iter().flat_map(|&value| [value; SECTOR_BYTES]).collect();
    Block::padded(&bytes)
}

fn write(at: u64, values: &[u8], durable: bool) -> DiskOp {
    DiskOp::Write { file: FILE, offset: at * SECTOR, data: sectors(values), durable }
}

fn create(of: &str, sectors: u64) -> DiskOp {
    DiskOp::Create { file: FILE, name: name(of), len_bytes: sectors * SECTOR }
}

const SYNC: DiskOp = DiskOp::Sync { file: FILE };

fn begin(disk: &mut SimDisk, op: DiskOp) -> Slot {
    disk.begin(Nanos::ZERO, Token(0), op).0
}

fn run(disk: &mut SimDisk, op: DiskOp) -> DiskResult {
    let slot = begin(disk, op);
    disk.complete(slot).1
}

fn done(disk: &mut SimDisk, op: DiskOp) {
    let result = run(disk, op);
    assert!(result.is_ok(), "{result:?}");
}

fn empty() -> SimDisk {
    SimDisk::new(DiskModel::instant(), Rng::new(5))
}

/// A disk with the durable, open file `data` of `sectors` zero sectors.
fn with_file(sectors: u64) -> SimDisk {
    let mut disk = empty();
    done(&mut disk, create("data", sectors));
    done(&mut disk, DiskOp::SyncDir);
    disk
}

/// The first byte of each sector of `data`; checks that each sector is of one piece.
fn values(disk: &SimDisk) -> Vec<u8> {
    let bytes = disk.contents(&name("data")).expect("the file is there");
    let value = |sector: &[u8]| {
        assert!(sector.iter().all(|&byte| byte == sector[0]), "a sector of two writes");
        sector[0]
    };
    bytes.chunks_exact(SECTOR_BYTES).map(value).collect()
}

/// What is left after a power loss with `survival`, of a copy.
fn left(disk: &SimDisk, survival: Survival) -> Vec<u8> {
    let mut disk = disk.clone();
    disk.crash(true, survival);
    assert_eq!(disk.undurable(true), [], "after power loss all that is there is durable");
    values(&disk)
}

fn names_left(disk: &SimDisk, survival: Survival) -> Vec<String> {
    let mut disk = disk.clone();
    disk.crash(true, survival);
    disk.list().into_iter().map(|(name, _)| name.as_str().to_owned()).collect()
}

#[test]
fn each_choice_of_unsynced_sectors_is_what_survives() {
    let mut disk = with_file(4);
    done(&mut disk, write(0, &[1, 2, 3, 4], true));
    done(&mut disk, write(0, &[11, 12, 13], false));
    assert_eq!(disk.undurable(true).len(), 3);
    assert_eq!(values(&disk), [11, 12, 13, 4]);
    assert_eq!(left(&disk, Survival::None), [1, 2, 3, 4]);
    assert_eq!(left(&disk, Survival::All), [11, 12, 13, 4]);
    assert_eq!(left(&disk, Survival::OneDropped(1)), [11, 2, 13, 4]);
    assert_eq!(left(&disk, Survival::OneKept(2)), [1, 2, 13, 4]);
    let reached: BTreeSet<_> = (0..200).map(|seed| left(&disk, Survival::Random(seed))).collect();
    assert_eq!(reached.len(), 8, "every subset of three sectors");
}

#[test]
fn a_sector_written_twice_survives_in_any_version() {
    let mut disk = with_file(1);
    done(&mut disk, write(0, &[1], false));
    done(&mut disk, write(0, &[2], false));
    let units = disk.undurable(true);
    let unit = |version| Unit::Sector { file: name("data"), sector: 0, version };
    assert_eq!(units, [unit(0), unit(1)]);
    assert_eq!(left(&disk, Survival::OneDropped(1)), [1]);
    assert_eq!(left(&disk, Survival::OneDropped(0)), [2]);
    assert_eq!(left(&disk, Survival::None), [0]);
}

#[test]
fn a_sync_covers_what_completed_before_it_was_submitted() {
    let mut disk = with_file(3);
    done(&mut disk, write(0, &[1], false));
    let in_flight = begin(&mut disk, write(1, &[2], false));
    let sync = begin(&mut disk, SYNC);
    disk.complete(in_flight).1.expect("writes");
    done(&mut disk, write(2, &[3], false));
    assert_eq!(left(&disk, Survival::None), [0, 0, 0], "a sync in flight promises nothing");
    disk.complete(sync).1.expect("syncs");
    assert_eq!(left(&disk, Survival::None), [1, 0, 0]);
    assert_eq!(left(&disk, Survival::All), [1, 2, 3]);
    done(&mut disk, SYNC);
    assert_eq!(left(&disk, Survival::None), [1, 2, 3]);
}

#[test]
fn a_durable_write_settles_its_own_sectors_only() {
    let mut disk = with_file(3);
    done(&mut disk, write(0, &[1, 2, 3], false));
    done(&mut disk, write(1, &[9], true));
    assert_eq!(left(&disk, Survival::None), [0, 9, 0]);
    assert_eq!(left(&disk, Survival::All), [1, 9, 3]);
    done(&mut disk, write(1, &[10], false));
    assert_eq!(left(&disk, Survival::None), [0, 9, 0]);
    done(&mut disk, SYNC);
    assert_eq!(left(&disk, Survival::None), [1, 10, 3]);
}

/// After EIO from fsync, Linux marks the pages clean: a later successful fsync says nothing about them.
#[test]
fn a_failed_sync_is_not_made_good_by_a_later_one() {
    let mut disk = with_file(2);
    done(&mut disk, write(0, &[1], false));
    disk.set_rule(DiskRule { write_error: 1.0, ..DiskRule::default() });
    assert_eq!(run(&mut disk, SYNC).unwrap_err(), DiskError::EIO);
    disk.set_rule(DiskRule::default());
    done(&mut disk, write(0, &[2, 3], false));
    done(&mut disk, SYNC);
    assert_eq!(left(&disk, Survival::None), [2, 3]);
    let mut disk = with_file(2);
    done(&mut disk, write(0, &[1], false));
    disk.set_rule(DiskRule { write_error: 1.0, ..DiskRule::default() });
    assert_eq!(run(&mut disk, SYNC).unwrap_err(), DiskError::EIO);
    disk.set_rule(DiskRule::default());
    done(&mut disk, SYNC);
    assert_eq!(left(&disk, Survival::None), [0, 0]);
    assert_eq!(left(&disk, Survival::All), [1, 0]);
}

#[test]
fn a_failed_write_may_have_taken_place() {
    let mut seen = BTreeSet::new();
    let mut disk = with_file(1);
    for value in 1..40 {
        disk.set_rule(DiskRule { write_error: 1.0, ..DiskRule::default() });
        let before = values(&disk)[0];
        assert_eq!(run(&mut disk, write(0, &[value], true)).unwrap_err(), DiskError::EIO);
        seen.insert(values(&disk)[0] == before);
        assert_eq!(left(&disk, Survival::None), [0], "and is never durable");
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_name_is_durable_after_a_directory_sync_submitted_later() {
    let mut disk = empty();
    done(&mut disk, create("early", 1));
    let sync = begin(&mut disk, DiskOp::SyncDir);
    done(&mut disk, create("late", 1));
    disk.complete(sync).1.expect("syncs");
    assert_eq!(names_left(&disk, Survival::None), ["early"]);
    assert_eq!(disk.undurable(true), [Unit::Name { name: name("late"), removed: false }]);
    assert_eq!(names_left(&disk, Survival::All), ["early", "late"]);
}

#[test]
fn a_removal_is_undone_until_the_directory_is_synced() {
    let mut disk = with_file(2);
    done(&mut disk, write(0, &[1], true));
    done(&mut disk, write(1, &[2], false));
    done(&mut disk, DiskOp::Remove { name: name("data") });
    assert_eq!(names_left(&disk, Survival::All), [""; 0]);
    assert_eq!(left(&disk, Survival::None), [1, 0]);
    done(&mut disk, DiskOp::SyncDir);
    assert_eq!(names_left(&disk, Survival::None), [""; 0]);
    assert_eq!(disk.used_bytes(), 0, "the file is forgotten");
}

#[test]
fn replacing_a_file_leaves_the_old_one_the_new_one_or_none() {
    let mut disk = with_file(1);
    done(&mut disk, write(0, &[7], true));
    done(&mut disk, create("data", 2));
    assert_eq!(disk.undurable(true).len(), 2, "a removal and a creation");
    assert_eq!(left(&disk, Survival::None), [7]);
    assert_eq!(left(&disk, Survival::All), [0, 0]);
    assert_eq!(left(&disk, Survival::OneKept(1)), [0, 0]);
    assert_eq!(names_left(&disk, Survival::OneKept(0)), [""; 0]);
}

#[test]
fn a_new_file_has_durable_zeroes_but_no_durable_name() {
    let mut disk = empty();
    done(&mut disk, create("data", 3));
    done(&mut disk, write(1, &[5], true));
    done(&mut disk, write(2, &[6], false));
    assert_eq!(names_left(&disk, Survival::None), [""; 0]);
    let name_alone = disk.undurable(true).iter().position(|unit| matches!(unit, Unit::Name { .. }));
    assert_eq!(left(&disk, Survival::OneKept(name_alone.expect("a name"))), [0, 5, 0]);
    done(&mut disk, DiskOp::Extend { file: FILE, len_bytes: 4 * SECTOR });
    done(&mut disk, DiskOp::SyncDir);
    assert_eq!(left(&disk, Survival::None), [0, 5, 0, 0]);
}

#[test]
fn a_killed_process_loses_nothing_that_completed_but_the_power_still_may() {
    let mut disk = with_file(2);
    done(&mut disk, write(0, &[1], false));
    done(&mut disk, DiskOp::Create { file: FileId(2), name: name("other"), len_bytes: SECTOR });
    let kept = disk.undurable(true);
    disk.crash(false, Survival::None);
    assert_eq!(values(&disk), [1, 0]);
    assert_eq!(disk.list().len(), 2);
    assert_eq!(disk.undurable(true), kept);
    assert_eq!(left(&disk, Survival::None), [0, 0]);
    assert_eq!(names_left(&disk, Survival::None), ["data"]);
    assert_eq!(run(&mut disk, SYNC).unwrap_err(), DiskError::BAD_FILE, "numbers are forgotten");
}

#[test]
fn what_is_in_flight_may_have_taken_place_in_part() {
    let mut disk = with_file(3);
    begin(&mut disk, write(0, &[1, 2], true));
    assert_eq!(disk.undurable(false).len(), 2);
    assert_eq!(left(&disk, Survival::None), [0, 0, 0]);
    assert_eq!(left(&disk, Survival::All), [1, 2, 0]);
    assert_eq!(left(&disk, Survival::OneKept(1)), [0, 2, 0]);
    let mut killed = disk.clone();
    killed.crash(false, Survival::OneDropped(1));
    assert_eq!(values(&killed), [1, 0, 0]);
    assert_eq!(left(&killed, Survival::None), [0, 0, 0], "it did not complete, so it is not durable");
}

#[test]
fn only_sectors_in_flight_are_garbled() {
    let mut disk = with_file(4);
    done(&mut disk, write(0, &[1, 1], false));
    begin(&mut disk, write(1, &[2, 2], true));
    disk.crash(true, Survival::Torn(9));
    let bytes = disk.contents(&name("data")).expect("there");
    let piece = |index: usize| &bytes[index * SECTOR_BYTES..(index + 1) * SECTOR_BYTES];
    assert_eq!(piece(0), &sector(1)[..]);
    assert_eq!(piece(3), &sector(0)[..]);
    for garbled in [piece(1), piece(2)] {
        assert!([0, 1, 2].iter().all(|&value| garbled != &sector(value)[..]));
    }
}

#[test]
fn creations_and_extensions_in_flight_may_stop_half_way() {
    let mut disk = with_file(2);
    begin(&mut disk, DiskOp::Extend { file: FILE, len_bytes: 10 * SECTOR });
    begin(&mut disk, DiskOp::Create { file: FileId(2), name: name("new"), len_bytes: 10 * SECTOR });
    let mut seen: BTreeMap<&str, BTreeSet<Option<u64>>> = BTreeMap::new();
    for seed in 0..300 {
        let mut disk = disk.clone();
        disk.crash(true, Survival::Random(seed));
        let list: BTreeMap<_, _> = disk.list().into_iter().collect();
        for file in ["data", "new"] {
            seen.entry(file).or_default().insert(list.get(&name(file)).map(|len_bytes| len_bytes / SECTOR));
        }
    }
    assert_eq!(seen["data"], (2..=10).map(Some).collect());
    assert_eq!(seen["new"], [None].into_iter().chain((0..=10).map(Some)).collect());
}

#[test]
fn space_runs_out_and_comes_back() {
    let mut disk = SimDisk::new(DiskModel { capacity_bytes: Some(10 * SECTOR), ..DiskModel::instant() }, Rng::new(1));
    done(&mut disk, create("data", 6));
    let second = || DiskOp::Create { file: FileId(2), name: name("second"), len_bytes: 5 * SECTOR };
    assert_eq!(run(&mut disk, second()).unwrap_err(), DiskError::NoSpace);
    assert_eq!(run(&mut disk, DiskOp::Extend { file: FILE, len_bytes: 11 * SECTOR }).unwrap_err(), DiskError::NoSpace);
    assert_eq!(disk.list().len(), 1, "a refused creation leaves no name");
    done(&mut disk, write(0, &[1], true));
    done(&mut disk, DiskOp::Remove { name: name("data") });
    done(&mut disk, DiskOp::SyncDir);
    done(&mut disk, second());
    disk.set_rule(DiskRule { full: true, ..DiskRule::default() });
    let write = DiskOp::Write { file: FileId(2), offset: 0, data: sector(1), durable: false };
    assert_eq!(run(&mut disk, write).unwrap_err(), DiskError::NoSpace);
    assert!(run(&mut disk, DiskOp::Read { file: FileId(2), offset: 0, len_bytes: SECTOR_BYTES }).is_ok());
}

#[test]
fn damage_at_rest_is_durable_and_touches_nothing_else() {
    let mut disk = with_file(3);
    done(&mut disk, write(0, &[1, 2, 3], false));
    assert!(disk.damage(&name("data"), SECTOR, &[0xee; SECTOR_BYTES]));
    assert!(!disk.damage(&name("data"), 3 * SECTOR, &[0]));
    assert!(!disk.damage(&name("absent"), 0, &[0]));
    assert_eq!(values(&disk), [1, 0xee, 3]);
    assert_eq!(left(&disk, Survival::None), [0, 0xee, 0]);
    disk.wipe();
    assert_eq!(disk.list(), []);
}

#[test]
fn operations_queue_for_the_servers_there_are() {
    let cost = Nanos::from_micros(10);
    let model = DiskModel { metadata: Delay::Constant(cost), parallelism: 2, ..DiskModel::instant() };
    let mut disk = SimDisk::new(model, Rng::new(1));
    let ends: Vec<_> = (0..5).map(|_| disk.begin(Nanos(7), Token(0), DiskOp::List).1.0 - 7).collect();
    assert_eq!(ends, [10_000, 10_000, 20_000, 20_000, 30_000]);
    let model = DiskModel { bandwidth_bytes_per_s: Some(512_000_000), ..DiskModel::instant() };
    let mut disk = SimDisk::new(model, Rng::new(1));
    assert_eq!(disk.begin(Nanos::ZERO, Token(0), create("data", 1_000)).1, Nanos::from_millis(1));
}

/// Random histories against a model that keeps, for each sector, all versions since the last durable one.
#[test]
fn random_histories_leave_what_a_model_allows() {
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let mut disk = with_file(6);
        let mut model: Vec<Vec<u8>> = vec![vec![0]; 6];
        let mut covered: Option<(Slot, Vec<usize>)> = None;
        for value in 1..=60 {
            let at = rng.below(6) as usize;
            let count = rng.between(1, (6 - at as u64).min(3)) as usize;
            match (rng.below(8), covered.take()) {
                (0..=3, open) => {
                    done(&mut disk, write(at as u64, &vec![value; count], false));
                    model[at..at + count].iter_mut().for_each(|versions| versions.push(value));
                    covered = open;
                }
                (4 | 5, open) => {
                    done(&mut disk, write(at as u64, &vec![value; count], true));
                    model[at..at + count].iter_mut().for_each(|versions| *versions = vec![value]);
                    covered = open.map(|(slot, mut lens)| {
                        lens[at..at + count].fill(1);
                        (slot, lens)
                    });
                }
                (_, None) => covered = Some((begin(&mut disk, SYNC), model.iter().map(Vec::len).collect())),
                (_, Some((slot, lens))) => {
                    disk.complete(slot).1.expect("syncs");
                    model.iter_mut().zip(lens).for_each(|(versions, len)| drop(versions.drain(..len - 1)));
                }
            }
        }
        let oldest: Vec<u8> = model.iter().map(|versions| versions[0]).collect();
        let newest: Vec<u8> = model.iter().map(|versions| *versions.last().expect("never empty")).collect();
        assert_eq!(left(&disk, Survival::None), oldest, "seed {seed}");
        assert_eq!(left(&disk, Survival::All), newest, "seed {seed}");
        assert_eq!(disk.undurable(true).len(), model.iter().map(|versions| versions.len() - 1).sum::<usize>());
        for subset in 0..10 {
            let survivors = left(&disk, Survival::Random(subset));
            let allowed = survivors.iter().zip(&model).all(|(value, versions)| versions.contains(value));
            assert!(allowed, "seed {seed}: {survivors:?} of {model:?}");
        }
    }
}

#[test]
fn a_copy_of_a_disk_goes_its_own_way() {
    let mut disk = with_file(2);
    done(&mut disk, write(0, &[1], false));
    let mut copy = disk.clone();
    done(&mut copy, write(0, &[2, 2], false));
    done(&mut copy, SYNC);
    assert_eq!(values(&disk), [1, 0]);
    assert_eq!(left(&disk, Survival::None), [0, 0]);
    assert!(matches!(run(&mut disk, DiskOp::List), Ok(DiskReply::Names(names)) if names.len() == 1));
}

#[test]
fn a_read_may_see_part_of_a_write_in_flight() {
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let mut disk = SimDisk::new(DiskModel { torn_reads: true, ..DiskModel::instant() }, Rng::new(seed));
        done(&mut disk, create("data", 4));
        let flying = begin(&mut disk, write(1, &[8, 9], false));
        let Ok(DiskReply::Data(block)) = run(&mut disk, DiskOp::Read { file: FILE, offset: 0, len_bytes: 2048 }) else {
            panic!("a read answers with data");
        };
        seen.insert([0, 1, 2, 3].map(|sector| block[sector * SECTOR_BYTES]));
        disk.complete(flying).1.expect("writes");
        assert_eq!(values(&disk), [0, 8, 9, 0]);
    }
    assert_eq!(seen, [[0, 0, 0, 0], [0, 8, 0, 0], [0, 0, 9, 0], [0, 8, 9, 0]].into());
}

#[test]
fn a_replacement_in_flight_leaves_the_old_file_a_part_of_the_new_one_or_none() {
    let mut disk = with_file(1);
    done(&mut disk, write(0, &[7], true));
    begin(&mut disk, create("data", 2));
    let mut seen = BTreeSet::new();
    for (power, seed) in (0..200).flat_map(|seed| [(true, seed), (false, seed)]) {
        let mut disk = disk.clone();
        disk.crash(power, Survival::Random(seed));
        let found = if disk.list().is_empty() { None } else { Some(values(&disk)) };
        seen.insert((power, found));
    }
    let each = [None, Some(vec![7]), Some(vec![]), Some(vec![0]), Some(vec![0, 0])];
    assert_eq!(seen, [true, false].into_iter().flat_map(|power| each.clone().map(|found| (power, found))).collect());
    let mut removing = with_file(1);
    begin(&mut removing, DiskOp::Remove { name: name("data") });
    assert_eq!(names_left(&removing, Survival::None), ["data"]);
    assert_eq!(names_left(&removing, Survival::All), [""; 0]);
}
