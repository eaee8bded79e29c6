//! After the faults: mending everything, and what must come back within a bound.

use contract::Transaction;
use load::Phase;
use nemesis::{DATABASE_DOWN_MIN, healing};
use node::Nanos;
use sim::{Status, Survival};

use super::{LOOK_EVERY, World};
use crate::campaign::hits::Counted;
use crate::engines::DATABASE;

/// After everything is healed: the longest until a transaction commits, until the load has its answers, and until all
/// copies agree.
const CONVERGE_WITHIN: Nanos = Nanos::from_secs(20);
/// A database that names damage in so many halts, with nothing wrong around it, refuses to serve.
pub const HALTS_OF_REFUSAL: usize = 3;

impl World<'_> {
    /// Mends everything and waits until the database node runs again.
    ///
    /// # Errors
    ///
    /// It does not, or a broken invariant.
    pub fn recover(&mut self) -> Result<(), String> {
        self.heal()?;
        self.await_that("the database does not start", |world| {
            let status = world.sim.status(DATABASE);
            (*status != Status::Running).then(|| format!("{status:?}"))
        })
    }

    fn heal(&mut self) -> Result<(), String> {
        self.tell("     everything is mended".to_owned());
        self.halts_before_healing = self.sim.halts().len();
        self.hits.heal(&Counted::of(&self.sim));
        self.bring_disks_home()?;
        self.reset_stuck()?;
        if let Some(successor) = self.cast.successor {
            self.put_down(successor)?;
        }
        for fault in healing(&self.cast) {
            self.apply(&fault)?;
        }
        self.engine().into_iter().try_for_each(|node| self.restart(node))?;
        self.look()
    }

    /// Mends everything and demands that transactions commit again, that all requests are answered, and that the copies
    /// become equal, each within a bound.
    ///
    /// # Errors
    ///
    /// What did not happen, or a broken invariant.
    pub fn converge(&mut self) -> Result<(), String> {
        self.heal()?;
        let (before, healed_at) = (self.committed(), self.sim.now());
        self.await_that("no transaction commits", |world| {
            (world.committed() <= before).then(|| world.subject.unsettled(&world.sim).unwrap_or_default())
        })?;
        self.recovery = Some(self.sim.now() - healed_at);
        self.load().set_phase(Phase::Idle);
        self.await_that("requests stay unanswered", |world| {
            let in_flight = world.load().in_flight();
            let is_quiet = world.load().is_quiet();
            let engine = || world.subject.unsettled(&world.sim).unwrap_or_else(|| "the engine has settled".into());
            (!is_quiet).then(|| format!("{in_flight} in flight; {}", engine()))
        })?;
        self.settle()
    }

    /// Why the engine refuses to serve, when it does so since everything was mended and says that its data is damaged.
    pub fn refusal(&self) -> Option<String> {
        let since = &self.sim.halts()[self.halts_before_healing..];
        let damage = |halt: &&sim::Halt| self.subject.names_damage(&halt.reason);
        let of_database = since.iter().filter(|halt| halt.node == DATABASE).filter(damage).nth(HALTS_OF_REFUSAL - 1);
        let elsewhere = since.iter().filter(damage).nth(8 * HALTS_OF_REFUSAL);
        of_database.or(elsewhere).map(|halt| halt.reason.clone()).or_else(|| self.console.corrupt.clone())
    }

    /// Waits for all copies to become equal.
    ///
    /// # Errors
    ///
    /// They do not within a bound, or an invariant broke.
    pub fn settle(&mut self) -> Result<(), String> {
        self.await_that("the copies do not become equal", |world| world.subject.unsettled(&world.sim))
    }

    fn committed(&mut self) -> u64 {
        self.load().interval().ops.iter().map(|op| op.ok).sum()
    }

    fn await_that(&mut self, trouble: &str, unmet: impl Fn(&mut Self) -> Option<String>) -> Result<(), String> {
        let deadline = self.sim.now() + CONVERGE_WITHIN;
        while let Some(what) = unmet(self) {
            if let Some(reason) = self.refusal() {
                return Err(format!("{trouble}: {reason}"));
            }
            if self.sim.now() >= deadline {
                self.stalled = true;
                let halts = self.sim.halts();
                return Err(format!("{trouble} within {CONVERGE_WITHIN:?} of healing: {what}; halts {halts:?}"));
            }
            self.run_to(self.sim.now() + LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Cuts the power of the whole engine, gives it back, and reads every table.
    ///
    /// # Errors
    ///
    /// The engine did not come back.
    pub fn power_cycle(&mut self, schema: &contract::Schema) -> Result<Vec<Transaction>, String> {
        let nodes = self.engine();
        for &node in &nodes {
            self.subject.life_ends(&self.sim, node, &mut self.substance)?;
            let survival = Survival::Random(self.rng.next_u64());
            self.sim.crash(node, true, survival);
        }
        self.database_crashed_at = Some(self.sim.now());
        self.run_to(self.sim.now() + DATABASE_DOWN_MIN)?;
        nodes.into_iter().try_for_each(|node| self.restart(node))?;
        self.look()?;
        let rows = self.console.read_all(&mut self.sim, schema);
        // An answer that names damage is a refusal; none is a lack of progress.
        self.stalled |= rows.is_err() && self.console.corrupt.is_none();
        let rows = rows?;
        self.look()?;
        Ok(rows)
    }
}
