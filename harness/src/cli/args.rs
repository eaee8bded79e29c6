//! What can be said on the command line.

use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;

/// What do you gain, and what do you lose, when a database's storage leaves the database?
#[derive(Debug, Parser)]
#[command(name = "sextant", version, about, after_help = exit_codes(), max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn exit_codes() -> String {
    let lines = Exit::TABLE.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}", *exit as u8));
    format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Engines, workloads, distributions, profiles and faults
    List(ListArgs),
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}
