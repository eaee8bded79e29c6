//! Damage at rest: masked where something whole is left, a halt that names the place where not.

use coupled::{Config, LocalVolume};
use node::fault::Fault;
use node::{FileName, Nanos, SECTOR_BYTES, Topology};
use sim::{Sim, SimConfig, Status, Stop, Survival};

use crate::crash::{config, local};
use crate::store::{self, STORE, Store, audit};

const SEED: u64 = 41;
const GROUPS: u64 = 60;

fn file(name: &str) -> FileName {
    FileName::new(name)
}

/// A database with everything acknowledged, the node down. `settled`: nothing is left for recovery to redo.
fn stopped(config: &Config, settled: bool) -> Sim {
    let mut sim = local(config, GROUPS, SimConfig::shuffled(SEED));
    assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
    if settled {
        let is_settled = |sim: &Sim| sim.node::<Store>(STORE).is_some_and(Store::is_settled);
        assert_eq!(sim.run_until(Nanos::from_secs(10), is_settled), Stop::Reached);
    }
    sim.apply(&Fault::Crash { node: STORE, power: true });
    sim
}

/// A database that still needs its log: the flusher rests.
fn unflushed() -> Config {
    let mut config = config(SEED);
    config.compute.cache_bytes = 64 * 512;
    config.log.segments = 32;
    (config.flush.log_low, config.flush.log_high, config.flush.dirty_high) = (0.9, 0.95, 1.0);
    config.flush.interval = Nanos::from_secs(1);
    config
}

fn contents(sim: &Sim, name: &str) -> Vec<u8> {
    sim.disk(STORE).expect("a disk").contents(&file(name)).expect("a file")
}

fn flip(sim: &mut Sim, name: &str, at: u64) {
    let byte = contents(sim, name)[at as usize] ^ 0x10;
    assert!(sim.disk_mut(STORE).expect("a disk").damage(&file(name), at, &[byte]));
}

/// Restarts; gives the reason of the halt, if there was one.
fn reopen(sim: &mut Sim) -> Option<String> {
    let before = sim.halts().len();
    sim.apply(&Fault::Restart { node: STORE });
    let halted = |sim: &Sim| !matches!(sim.status(STORE), Status::Running);
    let _ = sim.run_until(Nanos::from_secs(5), |sim| store::serving(sim) || halted(sim));
    sim.halts().get(before).map(|halt| halt.reason.clone())
}

#[test]
fn a_rotten_block_inside_the_log_halts_and_names_the_lsn() {
    let mut sim = stopped(&unflushed(), false);
    // The first block of the log, with many that vouch for it.
    flip(&mut sim, "log-000", 100);
    let reason = reopen(&mut sim).expect("halts");
    assert!(reason.contains("log corrupt: LSN 1 ") && reason.contains("was durable"), "{reason}");
}

#[test]
fn a_lost_write_inside_the_log_halts() {
    let mut sim = stopped(&unflushed(), false);
    let disk = sim.disk_mut(STORE).expect("a disk");
    assert!(disk.damage(&file("log-001"), 0, &[0; SECTOR_BYTES]));
    let reason = reopen(&mut sim).expect("halts");
    assert!(reason.contains("log corrupt"), "{reason}");
}

#[test]
fn every_page_the_log_reaches_back_to_is_rebuilt() {
    let mut sim = stopped(&unflushed(), false);
    let pages = contents(&sim, "pages").len() as u64 / 512;
    for page in 0..pages {
        assert!(sim.disk_mut(STORE).expect("a disk").damage(&file("pages"), page * 512, &[0xa5; 512]));
    }
    assert_eq!(reopen(&mut sim), None);
    assert_eq!(audit(&mut sim, SEED), Ok(GROUPS));
}

#[test]
fn a_rotten_page_is_never_served() {
    let mut sim = stopped(&config(SEED), true);
    // A page of the last batch would be restored from the double-write buffer: clear it.
    let len = contents(&sim, "double-write").len();
    assert!(sim.disk_mut(STORE).expect("a disk").damage(&file("double-write"), 0, &vec![0; len]));
    flip(&mut sim, "pages", 2 * 512 + 60);
    assert_eq!(reopen(&mut sim), None, "nothing needs the page yet");
    assert!(audit(&mut sim, SEED).is_err());
    let store = sim.node::<Store>(STORE).expect("it goes on");
    assert!(store.unreadable.iter().any(|why| why.contains("page 2 is damaged")), "{:?}", store.unreadable);
}

#[test]
fn superblock_copies_are_needed_only_once() {
    for copies in [0..3u64, 1..4] {
        let mut sim = stopped(&config(SEED), true);
        copies.for_each(|copy| flip(&mut sim, "superblock", copy * 4096 + 30));
        assert_eq!(reopen(&mut sim), None);
        assert_eq!(audit(&mut sim, SEED), Ok(GROUPS));
    }
    let mut sim = stopped(&config(SEED), true);
    (0..4).for_each(|copy| flip(&mut sim, "superblock", copy * 4096 + 30));
    let reason = reopen(&mut sim).expect("halts");
    assert!(reason.contains("no copy of the superblock is whole, yet the log holds data"), "{reason}");
}

/// One bit of one copy's version number rotted, and the database was refused as another program's although three whole copies
/// were left. The version of a copy counts when its checksum holds.
#[test]
fn a_rotten_version_number_is_masked_by_the_other_copies() {
    let mut sim = stopped(&config(SEED), true);
    flip(&mut sim, "superblock", 4);
    assert_eq!(reopen(&mut sim), None);
    assert_eq!(audit(&mut sim, SEED), Ok(GROUPS));
}

#[test]
fn another_format_version_and_another_volume_are_refused() {
    // As a program of that version would have written them: with checksums that hold.
    let mut sim = stopped(&config(SEED), true);
    for copy in 0..4 {
        let at = copy * 4096;
        let mut bytes = contents(&sim, "superblock")[at..at + 4096].to_vec();
        bytes[4] = 7;
        let body_bytes = u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes")) as usize;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..20]), &bytes[24..24 + body_bytes]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        assert!(sim.disk_mut(STORE).expect("a disk").damage(&file("superblock"), at as u64, &bytes));
    }
    let reason = reopen(&mut sim).expect("halts");
    assert!(reason.contains("format version 7"), "{reason}");

    // The files of one database under a node configured for another.
    let theirs = stopped(&config(SEED), true);
    let mut ours = config(SEED);
    ours.volume = coupled::VolumeId(1);
    let members = store::members(&ours, 1, true, |config, _| {
        Box::new(LocalVolume::new(config.io_timeout, coupled::WATCHDOG_TIMER))
    });
    let mut sim = Sim::new(Topology { members }, SimConfig::shuffled(SEED));
    assert_eq!(sim.run_until(Nanos::from_secs(5), store::finished), Stop::Reached);
    sim.apply(&Fault::Crash { node: STORE, power: true });
    let superblock = contents(&theirs, "superblock");
    assert!(sim.disk_mut(STORE).expect("a disk").damage(&file("superblock"), 0, &superblock));
    let reason = reopen(&mut sim).expect("halts");
    assert!(reason.contains("belong to volume"), "{reason}");
}

#[test]
fn a_failed_write_halts_and_nothing_acknowledged_is_lost() {
    let mut sim = local(&config(SEED), GROUPS, SimConfig::shuffled(SEED));
    assert_eq!(sim.run_until(Nanos::from_secs(10), store::serving), Stop::Reached);
    let rule = node::fault::DiskRule { write_error: 0.05, ..Default::default() };
    sim.apply(&Fault::Disk { node: STORE, rule });
    let halted = |sim: &Sim| !matches!(sim.status(STORE), Status::Running);
    assert_eq!(sim.run_until(Nanos::from_secs(10), halted), Stop::Reached);
    assert!(sim.halts()[0].reason.contains("restart to recover"), "{:?}", sim.halts());
    sim.apply(&Fault::DiskClear { node: STORE });
    sim.apply(&Fault::Crash { node: STORE, power: true });
    assert_eq!(reopen(&mut sim), None);
    assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
    assert_eq!(audit(&mut sim, SEED), Ok(GROUPS));
}

/// A database whose page file could not be synced halted, was started again, read the pages as its writes had left them,
/// found nothing to redo, and moved the checkpoint past their log. But a device that has failed a sync may report the next one
/// as done without writing anything: the power failed, the pages were old again, and no log was left to redo them from.
/// Acknowledged changes were gone. Since then recovery writes every page that the log from the checkpoint on changes, whatever
/// it finds in place.
#[test]
fn a_failed_sync_is_not_made_good_by_a_later_one() {
    let failed_sync = |effect: u64| {
        let mut sim = local(&config(SEED), GROUPS, SimConfig::shuffled(SEED));
        sim.watch(&[STORE]);
        let stop = sim.run_until_effect(effect, Nanos::from_secs(10));
        if stop != Stop::Reached || store::finished(&sim) {
            return None;
        }
        let rule = node::fault::DiskRule { write_error: 1.0, ..Default::default() };
        sim.apply(&Fault::Disk { node: STORE, rule });
        let halted = |sim: &Sim| !matches!(sim.status(STORE), Status::Running);
        let _ = sim.run_until(Nanos::from_millis(100), halted);
        Some(sim)
    };
    let mut met = 0;
    for mut sim in (1..).map_while(failed_sync) {
        if !sim.halts().first().is_some_and(|halt| halt.reason.contains("the page file's sync")) {
            continue;
        }
        met += 1;
        sim.apply(&Fault::DiskClear { node: STORE });
        sim.apply(&Fault::Crash { node: STORE, power: false });
        assert_eq!(reopen(&mut sim), None);
        sim.crash(STORE, true, Survival::None);
        assert_eq!(reopen(&mut sim), None);
        assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
        assert_eq!(audit(&mut sim, SEED), Ok(GROUPS));
    }
    assert!(met > 10, "only {met} syncs of the page file failed");
}

/// A disk returned other sectors of a file than those asked for, once, just where a start read on in the log. The start took that
/// for the log's end: the commits from there on were cut off, acknowledged as they were, and written over. Now no single read ends
/// the log, nor says that there is no superblock.
#[test]
fn a_start_does_not_believe_a_single_read() {
    let astray = |sim: &Sim| sim.disk(STORE).expect("a disk").counts().reads_misdirected;
    let mut met = 0;
    for seed in 0..60 {
        let mut sim = local(&unflushed(), GROUPS, SimConfig::shuffled(seed));
        assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
        sim.apply(&Fault::Crash { node: STORE, power: true });
        let rule = node::fault::DiskRule { misdirected_read: 0.2, ..Default::default() };
        sim.apply(&Fault::Disk { node: STORE, rule });
        assert_eq!(reopen(&mut sim), None, "seed {seed}");
        met += astray(&sim);
        sim.apply(&Fault::DiskClear { node: STORE });
        // Pages that were read since then may have come damaged: the audit is to see what is there.
        sim.apply(&Fault::Crash { node: STORE, power: true });
        assert_eq!(reopen(&mut sim), None, "seed {seed}");
        assert_eq!(audit(&mut sim, SEED), Ok(GROUPS), "seed {seed}");
    }
    assert!(met > 300, "only {met} reads went astray");
}

#[test]
fn a_full_disk_stops_growth_until_there_is_space() {
    let mut sim = local(&config(SEED), GROUPS, SimConfig::shuffled(SEED));
    assert_eq!(sim.run_until(Nanos::from_secs(10), store::serving), Stop::Reached);
    // Extensions are refused; writes into what there is go through.
    let rule = node::fault::DiskRule { full: true, ..Default::default() };
    sim.apply(&Fault::Disk { node: STORE, rule });
    let _ = sim.run_for(Nanos::from_secs(3));
    assert!(!store::finished(&sim));
    let stuck = !matches!(sim.status(STORE), Status::Running);
    sim.apply(&Fault::DiskClear { node: STORE });
    if stuck {
        // Where the device refuses writes into existing files too, the node halts as for any failed write.
        sim.apply(&Fault::Crash { node: STORE, power: false });
        assert_eq!(reopen(&mut sim), None);
    }
    assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
    assert_eq!(audit(&mut sim, SEED), Ok(GROUPS));
}
