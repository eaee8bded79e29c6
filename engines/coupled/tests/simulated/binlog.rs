//! The binlog: an entry for every commit, through every crash, and nothing that did not happen.

use std::cell::Cell;

use contract::{Model, Statement, Verb};
use coupled::binlog::{self, BinlogEntry};
use coupled::topology::{COMPUTE, EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use coupled::wal::Layout;
use coupled::{Config, CoupledNode, Probe, ZoneLoss};
use node::fault::Fault;
use node::{FileName, IoClass, Nanos, NodeId};
use sim::crash::{CrashPlan, Subsets};
use sim::{Sim, SimConfig, Status, Stop};

use crate::crash::{self, crash_with, local};
use crate::serial::{self, TABLES};
use crate::store::{self, STORE, Store, audit};

/// The binlog that the disk of `node` holds.
fn entries(sim: &Sim, node: NodeId, config: &Config, probe: &Probe) -> Result<Vec<BinlogEntry>, String> {
    let binlog = config.binlog.as_ref().expect("a binlog");
    let disk = sim.disk(node).expect("a disk");
    let file = |segment| disk.contents(&FileName::new(format!("binlog-{segment:03}"))).expect("a segment");
    let segments: Vec<Vec<u8>> = (0..binlog.segments).map(file).collect();
    let read = binlog::read(Layout::of(binlog), config.volume, &segments, probe.durable);
    let entries = read.map_err(|error| error.to_string())?;
    if let Some(pair) = entries.windows(2).find(|pair| pair[1].first != pair[0].commit.next()) {
        return Err(format!("{:?} does not follow {:?}", pair[1], pair[0]));
    }
    let end = entries.last().map(|entry| entry.commit).unwrap_or_default();
    if end == probe.durable { Ok(entries) } else { Err(format!("the binlog ends with {end}: {probe:?}")) }
}

/// The tables that the entries make, from an empty database on.
fn replayed(entries: &[BinlogEntry]) -> Model {
    let mut model = Model::new(serial::schema());
    for entry in entries {
        for change in entry.changes.decode().expect("whole changes") {
            let (table, key) = (change.table, change.key);
            let statement = match change.row {
                Some(row) => Statement::Put { table, key, row },
                None => Statement::Delete { table, key },
            };
            model.apply(&Verb::Single(statement)).expect("a change can be replayed");
        }
    }
    model
}

fn rows(model: &Model) -> Vec<Vec<String>> {
    let table = |table| model.rows(table).map(|row| format!("{row:?}")).collect();
    TABLES.into_iter().map(table).collect()
}

/// The client has compared the engine's tables with its model: replaying the binlog must give the same.
fn replays_to_the_tables(sim: &Sim, volume: NodeId, config: &Config, void: &Cell<u64>) -> Result<(), String> {
    let node = sim.node::<CoupledNode>(COMPUTE).ok_or("the database node is down")?;
    let probe = node.storage().probe().ok_or("the storage is closed")?;
    void.set(void.get() + probe.recovery.binlog_void);
    let entries = entries(sim, volume, config, &probe)?;
    if entries.first().is_some_and(|entry| entry.first.0 != 1) {
        return Err(format!("the binlog starts with {:?}", entries[0]));
    }
    let client = serial::client(sim);
    if client.acknowledged.0 > probe.durable.0 {
        return Err(format!("{:?} was acknowledged: {probe:?}", client.acknowledged));
    }
    let (replayed, expected) = (rows(&replayed(&entries)), rows(&client.model));
    if replayed == expected { Ok(()) } else { Err(format!("replayed {replayed:?}, the tables are {expected:?}")) }
}

#[test]
fn after_any_crash_replaying_the_binlog_gives_the_tables() {
    let config = serial::config(4, ZoneLoss::Stop).with_binlog();
    let build = || serial::world(coupled::local(&config).expect("sound"), 12 * crate::campaign(), config.seed);
    let void = Cell::new(0);
    let check = |sim: &Sim| replays_to_the_tables(sim, COMPUTE, &config, &void);
    serial::crash(&build, &[COMPUTE], &CrashPlan::power_loss(), "binlog, power loss", &check);
    println!("binlog, power loss: {} void entries", void.get());
    assert!(void.get() > 0, "some crashes fall between the binlog and the redo");
    serial::crash(
        &build,
        &[COMPUTE],
        &CrashPlan { subsets: Subsets::FEW, ..CrashPlan::kill() },
        "binlog, kill",
        &check,
    );
}

#[test]
fn after_a_power_loss_of_everything_mirrored_replaying_the_binlog_gives_the_tables() {
    let config = serial::config(5, ZoneLoss::Stop).with_binlog();
    let all = [COMPUTE, EBS_A1, EBS_A2, STANDBY, EBS_B1, EBS_B2];
    let build = || serial::world(coupled::mirrored(&config).expect("sound"), 5, config.seed);
    let stride = (16 / crate::campaign()).max(1);
    let plan = CrashPlan { stride, subsets: Subsets::FEW, ..CrashPlan::power_loss() };
    let void = Cell::new(0);
    serial::crash(&build, &all, &plan, "mirrored binlog, power loss", &|sim| {
        [EBS_A1, EBS_A2, EBS_B1, EBS_B2].into_iter().try_for_each(|id| replays_to_the_tables(sim, id, &config, &void))
    });
}

/// A ring that comes around every few dozen commits.
fn small(seed: u64) -> Config {
    crash::config(seed).with_binlog()
}

fn is_whole(sim: &Sim, config: &Config) -> Result<u64, String> {
    let probe = sim.node::<Store>(STORE).and_then(Store::probe).ok_or("the store is closed")?;
    Ok(entries(sim, STORE, config, &probe)?.len() as u64)
}

#[test]
fn a_binlog_that_comes_around_survives_crashes_anywhere_and_again_in_recovery() {
    let config = small(11);
    let also = |sim: &Sim| is_whole(sim, &config).map(drop);
    let coverage = crash_with(&config, 24 * crate::campaign(), &CrashPlan::power_loss(), &also);
    println!("local with binlog, power loss: {coverage}");
    assert_eq!(coverage.points, coverage.points_reached);
    let plan = CrashPlan { again: Some(Subsets::FEW), subsets: Subsets::FEW, ..CrashPlan::power_loss() };
    let coverage = crash_with(&config, 3 * crate::campaign(), &plan, &also);
    println!("local with binlog, power loss twice: {coverage}");
    assert_eq!(coverage.recovery_points, coverage.recovery_points_reached);
}

#[test]
fn a_long_run_reuses_the_binlogs_segments_and_waits_for_their_checkpoint() {
    let config = small(12);
    let groups = 400;
    let mut sim = local(&config, groups, SimConfig::shuffled(12));
    assert_eq!(sim.run_until(Nanos::from_secs(60), store::finished), Stop::Reached, "halts: {:?}", sim.halts());
    assert_eq!(audit(&mut sim, 12), Ok(groups));
    let kept = is_whole(&sim, &config).expect("whole");
    let probe = sim.node::<Store>(STORE).and_then(Store::probe).expect("open");
    println!("{kept} of {groups} entries kept: {probe:?}");
    assert!(kept > 0 && kept < groups, "the ring came around: {kept}");
    assert!(probe.binlog_writes * 512 > 12 << 10, "{probe:?}");
    assert_eq!(sim.run_until_idle(Nanos::from_secs(100)), Stop::Idle, "the flusher comes to rest");
    assert!(sim.node::<Store>(STORE).is_some_and(Store::is_settled));
}

#[test]
fn every_copy_and_the_database_node_account_for_the_binlog_apart() {
    let config = crate::mirrored::config(22, ZoneLoss::Stop).with_binlog();
    let mut sim = crate::mirrored::world(&config, 30, SimConfig::shuffled(22));
    assert_eq!(sim.run_until(Nanos::from_secs(60), store::finished), Stop::Reached, "halts: {:?}", sim.halts());
    let writes = |id| sim.ledger(id).class(IoClass::Binlog).write_bytes;
    assert!(writes(EBS_A1) > 0);
    for id in [EBS_A2, EBS_B1, EBS_B2] {
        assert_eq!(writes(id), writes(EBS_A1), "{id:?}");
    }
    let sent = sim.ledger(STORE).class(IoClass::Binlog).send_bytes;
    assert!(sent > 2 * writes(EBS_A1), "to its volume and to the standby: {sent} bytes");
    let without = crate::mirrored::config(22, ZoneLoss::Stop);
    let mut sim = crate::mirrored::world(&without, 30, SimConfig::shuffled(22));
    assert_eq!(sim.run_until(Nanos::from_secs(60), store::finished), Stop::Reached);
    for id in [STORE, EBS_A1, EBS_A2, EBS_B1, EBS_B2] {
        assert_eq!(sim.ledger(id).class(IoClass::Binlog), &node::Counts::default(), "{id:?}");
    }
}

/// Restarts the store; gives the reason of the halt, if there was one.
fn reopened(sim: &mut Sim) -> Option<String> {
    let before = sim.halts().len();
    sim.apply(&Fault::Restart { node: STORE });
    let halted = |sim: &Sim| !matches!(sim.status(STORE), Status::Running);
    let _ = sim.run_until(Nanos::from_secs(5), |sim| store::serving(sim) || halted(sim));
    sim.halts().get(before).map(|halt| halt.reason.clone())
}

#[test]
fn binlog_that_the_redo_vouches_for_is_never_taken_for_a_torn_tail() {
    // Nothing is flushed and no checkpoint is written, so that recovery starts from the first block of both logs.
    let mut config = small(13);
    config.compute.cache_bytes = 64 * 512;
    config.log.segments = 32;
    config.binlog = Some(config.log.clone());
    (config.flush.log_low, config.flush.log_high, config.flush.dirty_high) = (0.9, 0.95, 1.0);
    config.flush.interval = Nanos::from_secs(1);
    let damaged = |at: u64, len: usize| {
        let mut sim = local(&config, 30, SimConfig::shuffled(13));
        assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
        sim.apply(&Fault::Crash { node: STORE, power: true });
        let name = FileName::new("binlog-000");
        assert!(sim.disk_mut(STORE).expect("a disk").damage(&name, at, &vec![0xa5; len]));
        reopened(&mut sim).expect("halts")
    };
    let rotten = damaged(100, 4);
    assert!(rotten.contains("binlog corrupt: LSN 1 ") && rotten.contains("was durable"), "{rotten}");
    // With all of it gone no block of the binlog itself says that there was any; the redo does.
    let gone = damaged(0, 4096);
    assert!(gone.contains("binlog corrupt: LSN 1 "), "{gone}");
}

#[test]
fn a_database_keeps_the_binlog_it_was_made_with() {
    for (made, opened) in [(crash::config(14), small(14)), (small(14), crash::config(14))] {
        let mut first = local(&made, 5, SimConfig::shuffled(14));
        assert_eq!(first.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
        first.apply(&Fault::Crash { node: STORE, power: true });
        let disk = first.disk(STORE).expect("a disk");
        let superblock = disk.contents(&FileName::new("superblock")).expect("a superblock");
        let mut sim = local(&opened, 5, SimConfig::shuffled(14));
        assert_eq!(sim.run_until(Nanos::from_secs(10), store::finished), Stop::Reached);
        sim.apply(&Fault::Crash { node: STORE, power: true });
        assert!(sim.disk_mut(STORE).expect("a disk").damage(&FileName::new("superblock"), 0, &superblock));
        let reason = reopened(&mut sim).expect("halts");
        assert!(reason.contains("was made with") && reason.contains("binlog"), "{reason}");
    }
}
