//! Workloads by name.

use thiserror::Error;

use crate::bank::Bank;
use crate::list_append::ListAppend;
use crate::mixed::Mixed;
use crate::register::Register;
use crate::sysbench::{Oltp, Script};
use crate::ycsb::{Core, Ycsb};
use crate::{Distribution, Workload};

/// The names that [`build`] knows, in the order they are listed to users.
pub const NAMES: [&str; 18] = [
    "oltp_read_write",
    "oltp_write_only",
    "oltp_read_only",
    "oltp_update_index",
    "oltp_update_non_index",
    "oltp_insert",
    "oltp_delete",
    "oltp_point_select",
    "ycsb-a",
    "ycsb-b",
    "ycsb-c",
    "ycsb-d",
    "ycsb-e",
    "ycsb-f",
    "bank",
    "register",
    "list-append",
    "mixed",
];

/// What a user may choose of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Tables, for the sysbench family and `mixed`; the others have one.
    pub tables: u16,
    /// Rows of each table (`table_size`, `recordcount`, accounts, registers, lists).
    pub rows: u64,
    /// Which keys are asked for; `None` is the default of the workload's original.
    pub distribution: Option<Distribution>,
    /// Fixes the loaded rows.
    pub seed: u64,
}

/// Why there is no such workload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// No such name.
    #[error("no workload is named {0:?}; there are {known}", known = NAMES.join(", "))]
    Name(String),
    /// Too few rows or tables.
    #[error("{name} needs {what}, not {given}")]
    TooFew {
        /// The workload.
        name: String,
        /// The least, in words.
        what: &'static str,
        /// What was asked for.
        given: u64,
    },
}

/// The workload `name`.
pub fn build(name: &str, settings: &Settings) -> Result<Box<dyn Workload>, SettingsError> {
    let Settings { tables, rows, distribution, seed } = *settings;
    let at_least = |least: u64, what: &'static str, given: u64| {
        if given < least { Err(SettingsError::TooFew { name: name.to_owned(), what, given }) } else { Ok(()) }
    };
    let two_rows = || at_least(2, "at least two rows", rows);
    let uniform = distribution.unwrap_or(Distribution::Uniform);
    if let Some(script) = Script::ALL.into_iter().find(|script| script.name() == name) {
        at_least(1, "at least one table", u64::from(tables))?;
        two_rows()?;
        let distribution = distribution.unwrap_or(Distribution::SPECIAL);
        return Ok(Box::new(Oltp::new(script, tables, rows, distribution, seed)));
    }
    if let Some(core) = Core::ALL.into_iter().find(|core| core.name() == name) {
        two_rows()?;
        // YCSB's workload files set operationcount equal to recordcount.
        let distribution = distribution.unwrap_or(core.distribution());
        return Ok(Box::new(Ycsb::new(core, rows, rows, distribution, seed)));
    }
    match name {
        "bank" => two_rows().map(|()| Box::new(Bank::new(rows, uniform)) as Box<dyn Workload>),
        "register" => two_rows().map(|()| Box::new(Register::new(rows, uniform)) as Box<dyn Workload>),
        "list-append" => two_rows().map(|()| Box::new(ListAppend::new(rows, uniform)) as Box<dyn Workload>),
        "mixed" => {
            at_least(1, "at least one table", u64::from(tables))?;
            two_rows().map(|()| Box::new(Mixed::new(tables, rows, 60, uniform, seed)) as Box<dyn Workload>)
        }
        _ => Err(SettingsError::Name(name.to_owned())),
    }
}
