//! Schedules that are drawn.

use std::collections::BTreeSet;

use node::Zone;

use super::*;
use crate::catalogue::{Carrier, EngineClass, ROWS};

fn cast() -> Cast {
    let others: Vec<(NodeId, Zone)> = (2..8).map(|id| (NodeId(id), Zone::ALL[(id as usize - 2) / 2])).collect();
    let with_disk = others.iter().map(|other| other.0).collect();
    let class = EngineClass::Decoupled;
    let (clients, database) = (NodeId(0), NodeId(1));
    let (successor, names) = (Some(NodeId(8)), crate::Names::default());
    Cast { class, clients, database, database_zone: Zone::A, others, successor, with_disk, names }
}

fn draw(seed: u64) -> Schedule {
    let (span, episodes_max) = (Nanos::from_millis(500), EPISODES_MAX);
    let plan = Plan {
        rows: ROWS.iter().collect(),
        swarm: true,
        demand: Demand::Safety,
        span,
        episodes_max,
        divided: 0.4,
        carrier: Carrier::Sim,
    };
    Schedule::draw(&plan, &cast(), &mut Rng::new(seed))
}

#[test]
fn every_crash_is_followed_by_a_restart_and_the_database_stays_down_long_enough() {
    for seed in 0..300 {
        let schedule = draw(seed);
        for fault in &schedule.faults {
            let Act::Primitive(Fault::Crash { node, .. }) = fault.act else { continue };
            if Some(node) == cast().successor {
                continue;
            }
            let least = if node == cast().database { fault.at + DATABASE_DOWN_MIN } else { fault.at };
            let up = |later: &Timed| later.at >= least && later.act == Act::Primitive(Fault::Restart { node });
            assert!(schedule.faults.iter().any(up), "seed {seed}: {node:?} stays down");
        }
    }
}

#[test]
fn a_successor_that_is_started_is_ended() {
    let is_its_life = |act: &Act| {
        let alive = matches!(act, Act::Primitive(Fault::Restart { .. } | Fault::Crash { .. }));
        alive && Some(act.node()) == cast().successor
    };
    let mut started = 0;
    for seed in 0..300 {
        let schedule = draw(seed);
        let last = schedule.faults.iter().rfind(|fault| is_its_life(&fault.act));
        let Some(last) = last else { continue };
        assert!(matches!(last.act, Act::Primitive(Fault::Crash { .. })), "seed {seed}: {last:?}");
        started += 1;
    }
    assert!(started > 30, "{started} schedules start one");
}

#[test]
fn half_of_the_rows_are_left_out_and_some_seeds_are_quiet() {
    let schedules: Vec<Schedule> = (0..400).map(draw).collect();
    let striking = ROWS.iter().filter(|row| row.strikes(EngineClass::Decoupled)).count();
    let used: usize = schedules.iter().map(|schedule| schedule.rows.len()).sum();
    let share = used as f64 / (400 * striking) as f64;
    assert!((0.47..0.53).contains(&share), "{share} of the rows are used");
    let quiet = schedules.iter().filter(|schedule| schedule.faults.is_empty()).count();
    assert!((5..80).contains(&quiet), "{quiet} of 400 without faults");
}

#[test]
fn every_row_that_strikes_is_drawn_sooner_or_later() {
    let drawn: BTreeSet<&str> =
        (0..400).flat_map(|seed| draw(seed).faults.into_iter().map(|fault| fault.row.id).collect::<Vec<_>>()).collect();
    for row in ROWS.iter().filter(|row| row.strikes(EngineClass::Decoupled)) {
        assert!(drawn.contains(row.id), "{} is never drawn", row.id);
    }
}

#[test]
fn equal_seeds_draw_equal_schedules() {
    assert_eq!(draw(3), draw(3));
    assert_ne!(draw(3), draw(4));
}
