//! Runs programs against the model, one after the other.

use std::collections::BTreeMap;

use contract::{Error, Model, Program, Reply, Statement, Step};

use crate::Workload;

/// What programs asked for, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub reads: u64,
    pub writes: u64,
    /// Begins, commits and rollbacks.
    pub other: u64,
    /// Transactions by name.
    pub names: BTreeMap<&'static str, u64>,
    /// Final replies that were errors.
    pub errors: u64,
}

/// A model with the workload's first rows.
pub fn loaded(workload: &dyn Workload) -> Model {
    let mut model = Model::new(workload.schema());
    for shard in workload.load(3) {
        for (key, row) in shard.rows {
            workload.verify(shard.table, &key, &row).expect("loaded rows verify");
            model.load(shard.table, key, row);
        }
    }
    model
}

/// Runs one program to its end. Panics on a finding.
pub fn run(model: &mut Model, program: &mut dyn Program, asked: &mut Asked) -> (Vec<Statement>, Result<Reply, Error>) {
    let mut statements = Vec::new();
    let mut last: Option<Result<Reply, Error>> = None;
    loop {
        let step = program.step(last.as_ref()).expect("no finding");
        let over = matches!(step, Step::Single(_) | Step::Commit | Step::Rollback);
        let result = match &step {
            Step::Begin => model.begin(),
            Step::Commit => model.commit(),
            Step::Rollback => model.rollback(),
            Step::Single(statement) => model.single(statement),
            Step::Execute(statement) => model.execute(statement),
        };
        if let Step::Single(statement) | Step::Execute(statement) = step {
            asked.writes += u64::from(statement.writes());
            asked.reads += u64::from(!statement.writes());
            statements.push(statement);
        } else {
            asked.other += 1;
        }
        if over || result.as_ref().is_err_and(|error| !error.keeps_transaction()) {
            program.finish(&result).expect("no finding");
            asked.errors += u64::from(result.is_err());
            *asked.names.entry(program.name()).or_default() += 1;
            return (statements, result);
        }
        last = Some(result);
    }
}

/// Runs `count` transactions of `clients` clients in turn.
pub fn run_many(workload: &dyn Workload, model: &mut Model, clients: u32, count: u32) -> Asked {
    let mut programs = workload.programs(7, 1);
    let mut asked = Asked::default();
    for nth in 0..count {
        let _ = run(model, &mut *programs.next(nth % clients), &mut asked);
    }
    for table in 0..model.schema().tables.len() {
        let table = contract::TableId(table as u16);
        for (key, row) in model.rows(table) {
            workload.verify(table, key, row).expect("stored rows verify");
        }
    }
    asked
}
