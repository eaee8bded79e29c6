//! Engines and the model side by side: one serial client, every reply compared.

use contract::{Error, Mode, Model, Programs, Reply, Statement, Step, Verb};
use node::Nanos;
use sim::Sim;
use workloads::Workload;

use super::{Console, Mailbox};
use crate::engines::DATABASE;

/// An engine in its own world, and the client that drives it.
pub struct Reflection {
    /// The engine's name, for reports.
    pub name: &'static str,
    /// Its world; the topology holds a [`Mailbox`].
    pub sim: Sim,
    /// The client.
    pub console: Console,
}

impl Reflection {
    /// The world of `topology`, a mailbox added to it.
    pub fn new(name: &'static str, mut topology: node::Topology, world: sim::SimConfig) -> Reflection {
        topology.members.push(Mailbox::member());
        Reflection { name, sim: Sim::new(topology, world), console: Console::new(DATABASE) }
    }
}

/// What a mirror did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// Transactions that committed.
    pub committed: u64,
    /// Transactions that were rolled back.
    pub rolled_back: u64,
    /// Replies compared, on each engine.
    pub replies: u64,
}

/// The engines and the model.
pub struct Mirror {
    engines: Vec<Reflection>,
    model: Model,
    programs: Box<dyn Programs>,
    mirrored: Mirrored,
}

impl Mirror {
    /// Loads the workload's first rows everywhere.
    ///
    /// # Errors
    ///
    /// An engine did not take them.
    pub fn new(mut engines: Vec<Reflection>, workload: &dyn Workload, seed: u64) -> Result<Mirror, String> {
        let mut model = Model::new(workload.schema());
        for shard in workload.load(1) {
            let table = shard.table;
            for (key, row) in shard.rows {
                model.load(table, key.clone(), row.clone());
                for engine in &mut engines {
                    let statement = Statement::InsertMany { table, rows: vec![(key.clone(), row.clone())] };
                    engine.console.single(&mut engine.sim, &statement)?;
                }
            }
        }
        Ok(Mirror { engines, model, programs: workload.programs(seed, 1), mirrored: Mirrored::default() })
    }

    /// The engines, to look at.
    pub fn engines(&self) -> &[Reflection] {
        &self.engines
    }

    /// Runs `count` transactions.
    ///
    /// # Errors
    ///
    /// A reply that differs from the model's, in words.
    pub fn run(&mut self, count: u64) -> Result<Mirrored, String> {
        for number in 0..count {
            self.transaction().map_err(|what| format!("transaction {number}: {what}"))?;
        }
        Ok(self.mirrored)
    }

    fn transaction(&mut self) -> Result<(), String> {
        let mut program = self.programs.next(0);
        let mut last: Option<Result<Reply, Error>> = None;
        loop {
            let verb = match program.step(last.as_ref())? {
                Step::Single(statement) => Verb::Single(statement),
                Step::Begin => Verb::Begin(Mode::Optimistic),
                Step::Execute(statement) => Verb::Execute(statement),
                Step::Commit => Verb::Commit,
                Step::Rollback => Verb::Rollback,
            };
            let over = matches!(verb, Verb::Single(_) | Verb::Commit | Verb::Rollback);
            let reply = self.reply(&verb)?;
            let lost = reply.as_ref().is_err_and(|error| !error.keeps_transaction());
            if over || lost {
                self.mirrored.committed += u64::from(reply.as_ref().is_ok_and(|reply| reply.position().is_some()));
                self.mirrored.rolled_back += u64::from(reply == Ok(Reply::RolledBack));
                return program.finish(&reply);
            }
            last = Some(reply);
        }
    }

    /// The model's reply, which every engine gave too.
    fn reply(&mut self, verb: &Verb) -> Result<Result<Reply, Error>, String> {
        let expected = self.model.apply(verb);
        let bare = |reply: Result<Reply, Error>| reply.map(Reply::without_position);
        for engine in &mut self.engines {
            let given = engine.console.ask(&mut engine.sim, verb.clone())?;
            if bare(given.clone()) != bare(expected.clone()) {
                return Err(format!("{} answers {verb:?} with {given:?}, the model with {expected:?}", engine.name));
            }
        }
        self.mirrored.replies += 1;
        Ok(expected)
    }

    /// Compares every table of every engine with the model.
    ///
    /// # Errors
    ///
    /// A table that differs.
    pub fn compare_tables(&mut self) -> Result<(), String> {
        let schema = self.model.schema().clone();
        for engine in &mut self.engines {
            for read in engine.console.read_all(&mut engine.sim, &schema)? {
                let (statement, reply) = &read.calls[0];
                let expected: Vec<_> =
                    self.model.rows(statement.table()).map(|(key, row)| (key.clone(), row.clone())).collect();
                match reply {
                    Some(Ok(Reply::Rows { rows, .. })) if *rows == expected => {}
                    other => return Err(format!("{}: {statement:?} gives {other:?}", engine.name)),
                }
            }
        }
        Ok(())
    }

    /// Lets time pass in every engine's world, so that background work goes on.
    pub fn rest(&mut self, span: Nanos) {
        for engine in &mut self.engines {
            let _ = engine.sim.run_for(span);
        }
    }
}
