//! Faults during a phase: a zone is lost, and comes back.

use std::time::Duration;

use node::Zone;
use record::{Fault, RunWriter, SegmentId};

use super::record_failure;
use crate::exit::Failure;
use crate::rig::Rig;

/// A zone that is lost for a while: every engine node in it crashes, and is built again from its disk on return. What is sent
/// to it meanwhile is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ZoneLoss {
    /// Which.
    pub zone: Zone,
    /// When it goes, as a share of the phase.
    pub lost_at: f64,
    /// When it returns, as a share of the phase.
    pub back_at: f64,
}

/// What is disturbed during a phase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultPlan {
    /// The fault's name, `none` when there is none.
    pub name: &'static str,
    /// The zone lost, if one is.
    pub zone_loss: Option<ZoneLoss>,
    /// What the engine is expected to do: `masked`, `degraded`, `not protected`.
    pub expected: String,
}

impl FaultPlan {
    /// The plan named on the command line: the loss of a zone at 40 % of the phase and its return at 70 %.
    pub fn named(name: &'static str, expected: &str) -> FaultPlan {
        let zone = match name {
            "az-loss" => Some(Zone::B),
            "writer-az-loss" => Some(Zone::A),
            _ => None,
        };
        let zone_loss = zone.map(|zone| ZoneLoss { zone, lost_at: 0.4, back_at: 0.7 });
        FaultPlan { name, zone_loss, expected: expected.to_owned() }
    }
}

/// One thing done to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The zone goes.
    Lose(Zone),
    /// The zone returns.
    Return(Zone),
}

/// Puts a plan into force as time goes by.
pub(super) struct Injector {
    plan: FaultPlan,
    due: Vec<(Duration, Turn)>,
    lost_ns: Option<u64>,
    back_ns: Option<u64>,
    is_lost: bool,
}

impl Injector {
    pub fn new(plan: &FaultPlan, length: Duration) -> Injector {
        let turns = |loss: ZoneLoss| {
            [
                (length.mul_f64(loss.lost_at), Turn::Lose(loss.zone)),
                (length.mul_f64(loss.back_at), Turn::Return(loss.zone)),
            ]
        };
        let due = plan.zone_loss.map(turns).into_iter().flatten().collect();
        Injector { plan: plan.clone(), due, lost_ns: None, back_ns: None, is_lost: false }
    }

    /// How long until the next turn.
    pub fn next_in(&self, elapsed: Duration) -> Duration {
        self.due.first().map_or(Duration::MAX, |(at, _)| at.saturating_sub(elapsed))
    }

    /// Does what is due.
    pub fn act(&mut self, elapsed: Duration, rig: &mut Rig) -> Result<(), Failure> {
        while self.due.first().is_some_and(|(at, _)| *at <= elapsed) {
            let (_, turn) = self.due.remove(0);
            self.carry_out(turn, rig)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, turn: Turn, rig: &mut Rig) -> Result<(), Failure> {
        match turn {
            Turn::Lose(zone) => {
                self.lost_ns = Some(rig.now().0);
                self.is_lost = true;
                rig.crash(Some(zone))
            }
            Turn::Return(zone) => {
                rig.restart(Some(zone))?;
                self.is_lost = false;
                self.back_ns = Some(rig.now().0);
                Ok(())
            }
        }
    }

    /// Whatever is still lost returns.
    pub fn heal_all(&mut self, rig: &mut Rig) -> Result<(), Failure> {
        self.due.retain(|(_, turn)| matches!(turn, Turn::Return(_)));
        while self.is_lost && !self.due.is_empty() {
            let (_, turn) = self.due.remove(0);
            self.carry_out(turn, rig)?;
        }
        Ok(())
    }

    /// Writes what was done into the record.
    pub fn record(&self, writer: &mut RunWriter, segment: SegmentId) -> Result<(), Failure> {
        let (Some(loss), Some(lost_ns)) = (self.plan.zone_loss, self.lost_ns) else { return Ok(()) };
        let zone = loss.zone.name().to_owned();
        let fault = Fault {
            fault_id: format!("{}-1", self.plan.name),
            kind: self.plan.name.to_owned(),
            target: zone.clone(),
            az: Some(zone),
            t_inject_s: writer.seconds_of(segment, lost_ns),
            t_effective_s: Some(writer.seconds_of(segment, lost_ns)),
            t_heal_s: self.back_ns.map(|ns| writer.seconds_of(segment, ns)),
            params_json: format!("{{\"lost_at\":{},\"back_at\":{}}}", loss.lost_at, loss.back_at),
            expected: self.plan.expected.clone(),
        };
        writer.fault(segment, fault).map_err(record_failure)
    }
}
