//! After the faults, on a stage: everything undone and seen to be, and what must come back within a bound.

use std::time::Duration;

use contract::{Error, Key, Outcome, Projection, Schema, Statement, TableId, Transaction};
use load::Phase;
use nemesis::healing;
use node::fault::Fault;
use node::{Nanos, NodeId};
use uring::Standing;

use super::player::{LOOK_EVERY, Player};
use super::stage::Stage;
use crate::campaign::world::healing::HALTS_OF_REFUSAL;
use crate::engines::{DATABASE, LOAD};

/// After everything is mended: the longest until a transaction commits, until the load has its answers, until the engine is at
/// rest, and until it answers after a power cut.
const CONVERGE_WITHIN: Nanos = Nanos::from_secs(60);
/// One attempt at reading a table.
const READ_PATIENCE: Duration = Duration::from_secs(2);

impl<S: Stage> Player<S> {
    fn heal(&mut self) -> Result<(), String> {
        self.tell("     everything is mended".to_owned());
        self.stops_before_healing = self.stops.len();
        self.bring_disks_home()?;
        self.reset_stuck()?;
        if let Some(successor) = self.cast.successor {
            self.put_down(successor)?;
        }
        for fault in healing(&self.cast) {
            self.apply(&fault, None)?;
        }
        let counted = self.stage.counted();
        let counted = self.own(counted)?;
        self.hits.heal(&counted);
        self.engine().into_iter().try_for_each(|node| self.restart(node))?;
        self.await_that("what was done is not undone", |player| {
            let left = player.stage.in_force();
            let left = player.own(left)?;
            Ok((!left.is_empty()).then(|| left.join(", ")))
        })
    }

    /// Mends everything, sees that nothing is in force any more, and demands that transactions commit again, that all requests
    /// are answered, and that the engine comes to rest, each within a bound.
    ///
    /// # Errors
    ///
    /// What did not happen, or a broken invariant.
    pub fn converge(&mut self) -> Result<(), String> {
        self.heal()?;
        let (before, healed_at) = (self.committed()?, self.stage.now());
        self.await_that("no transaction commits", |player| {
            let none = player.committed()? <= before;
            Ok(none.then(|| player.stage.unsettled().unwrap_or_default()))
        })?;
        self.recovery = Some(self.stage.now() - healed_at);
        let set = self.stage.load(LOAD, |core| core.set_phase(Phase::Idle));
        self.own(set)?;
        self.await_that("requests stay unanswered", |player| {
            let quiet = player.stage.load(LOAD, |core| (core.is_quiet(), core.in_flight()));
            let (quiet, in_flight) = player.own(quiet)?;
            Ok((!quiet).then(|| format!("{in_flight} in flight")))
        })?;
        self.settle()
    }

    /// Why the engine refuses to serve, when it does so since everything was mended and says that its data is damaged.
    pub fn refusal(&self) -> Option<String> {
        let since = &self.stops[self.stops_before_healing..];
        let damage = |stop: &&super::player::Stop| self.subject.names_damage(&stop.reason);
        let of_database = since.iter().filter(|stop| stop.node == DATABASE).filter(damage).nth(HALTS_OF_REFUSAL - 1);
        let elsewhere = since.iter().filter(damage).nth(8 * HALTS_OF_REFUSAL);
        of_database.or(elsewhere).map(|stop| stop.reason.clone()).or_else(|| self.corrupt.clone())
    }

    /// Waits until the engine is at rest.
    ///
    /// # Errors
    ///
    /// It is not within a bound, or an invariant broke.
    pub fn settle(&mut self) -> Result<(), String> {
        self.await_that("the copies do not become equal", |player| Ok(player.stage.unsettled()))
    }

    fn committed(&mut self) -> Result<u64, String> {
        let ok = self.stage.load(LOAD, |core| core.interval().ops.iter().map(|op| op.ok).sum());
        self.own(ok)
    }

    /// The engine's nodes, the database last.
    fn engine(&self) -> Vec<NodeId> {
        self.cast.others.iter().map(|other| other.0).chain([DATABASE]).collect()
    }

    fn await_that(
        &mut self,
        trouble: &str,
        unmet: impl Fn(&mut Self) -> Result<Option<String>, String>,
    ) -> Result<(), String> {
        let deadline = self.stage.now() + CONVERGE_WITHIN;
        while let Some(what) = unmet(self)? {
            if let Some(reason) = self.refusal() {
                return Err(format!("{trouble}: {reason}"));
            }
            if self.stage.now() >= deadline {
                self.stalled = true;
                return Err(format!("{trouble} within {CONVERGE_WITHIN:?} of healing: {what}"));
            }
            self.run_to(self.stage.now() + LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Cuts the power of the whole engine, or kills all of it, starts it again, and reads every table.
    ///
    /// # Errors
    ///
    /// The engine did not come back.
    pub fn power_cycle(&mut self, schema: &Schema) -> Result<Vec<Transaction>, String> {
        let power = self.stage.cuts_power();
        self.tell(format!("     {}", if power { "power is cut everywhere" } else { "everything is killed" }));
        for node in self.engine() {
            self.apply(&Fault::Crash { node, power }, None)?;
        }
        self.engine().into_iter().try_for_each(|node| self.restart(node))?;
        self.await_that("the database does not start", |player| {
            let standing = player.standing(DATABASE)?;
            Ok((standing != Standing::Up).then(|| format!("it is {standing:?}")))
        })?;
        let tables = (0..schema.tables.len()).map(|table| TableId(table as u16));
        tables.map(|table| self.read_table(table)).collect()
    }

    /// Reads a table from end to end, in one read-only transaction as a history has it.
    fn read_table(&mut self, table: TableId) -> Result<Transaction, String> {
        let (from, projection) = (Key::copy(&[]), Projection::Rows);
        let statement = Statement::Scan { table, from, to: None, limit: u32::MAX, projection };
        let (invoked, deadline) = (self.stage.now(), self.stage.now() + CONVERGE_WITHIN);
        loop {
            self.run_to(self.stage.now() + LOOK_EVERY)?;
            let answered = self.stage.ask(&statement, READ_PATIENCE);
            let answered = self.own(answered)?;
            match answered.result {
                Some(Ok(reply)) => {
                    let position = reply.position().ok_or("a single statement's reply names its position")?;
                    return Ok(Transaction {
                        client: u32::MAX,
                        session: answered.session,
                        txn: answered.txn,
                        name: "read-all",
                        invoked_ns: invoked.0,
                        completed_ns: Some(self.stage.now().0),
                        calls: vec![(statement, Some(Ok(reply)))],
                        outcome: Outcome::Ok(position),
                    });
                }
                Some(Err(Error::Corrupt(what))) => {
                    self.corrupt = Some(what.clone());
                    return Err(format!("{statement:?}: {what}"));
                }
                other => {
                    if let Some(reason) = self.refusal() {
                        return Err(format!("the engine does not come back: {reason}"));
                    }
                    if self.stage.now() >= deadline {
                        self.stalled = true;
                        return Err(format!("after a power cut {statement:?} was answered {other:?}"));
                    }
                }
            }
        }
    }
}
