//! The command line.

pub mod args;
mod bench;
mod chaos;
mod check;
mod compare;
mod doctor;
mod list;
mod mutants;
mod node;
mod output;
mod plan;
mod verify;

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::printed::errln;
use args::{Cli, Command};

/// Parses `arguments` and runs the command. Whatever happens is printed; the value is what the process says.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that closed the pipe has read enough.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
                _ => Exit::Usage,
            };
        }
    };
    interrupt::listen();
    match dispatch(&cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            errln!("sextant: {failure}");
            failure.exit
        }
    }
}

fn dispatch(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Bench(bench) => bench::run(bench),
        Command::List(list) => list::run(list),
        Command::Compare(compare) => compare::run(compare),
        Command::Verify(verify) => verify::run(verify),
        Command::Check(check) => check::run(check),
        Command::Chaos(chaos) => chaos::run_command(chaos),
        Command::Doctor(doctor) => doctor::run(doctor),
        Command::Node(node) => node::run(node),
    }
}
