//! The README as a test: its commands parse, and its tables are the program's.

use std::path::Path;

use clap::{CommandFactory, Parser};
use harness::cli::args::Cli;
use harness::exit::Exit;

fn readme() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness is one level down");
    std::fs::read_to_string(root.join("README.md")).expect("a README")
}

/// Lines of fenced `sh` blocks, without comments.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let command = line.split('#').next().unwrap_or_default().trim();
            found.extend((!command.is_empty()).then(|| command.to_owned()));
        }
    }
    found
}

/// The arguments that the binary would see, when a line runs it.
fn arguments(command: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let rest = match words.as_slice() {
        ["sextant", rest @ ..] => rest,
        ["cargo", "run", rest @ ..] => &rest[rest.iter().position(|word| *word == "--")? + 1..],
        _ => return None,
    };
    Some(std::iter::once("sextant").chain(rest.iter().copied()).map(str::to_owned).collect())
}

#[test]
fn every_command_of_the_readme_parses() {
    let commands = commands(&readme());
    let ours: Vec<_> = commands.iter().filter_map(|command| arguments(command)).collect();
    assert!(ours.len() >= 5, "{commands:?}");
    for arguments in ours {
        if let Err(error) = Cli::try_parse_from(&arguments) {
            panic!("README.md: {}: {error}", arguments.join(" "));
        }
    }
}

#[test]
fn every_command_and_exit_code_is_documented() {
    let text = readme();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        assert!(name == "help" || text.contains(&format!("| `sextant {name}` |")), "README.md does not explain {name}");
    }
    for (exit, meaning) in Exit::TABLE {
        assert!(text.contains(&format!("| {} | {meaning} |", exit as u8)), "README.md does not list {exit:?}");
    }
}

#[test]
fn the_main_job_and_the_tests_stand_on_the_first_screen() {
    let text = readme();
    let first: Vec<&str> = text.lines().take(25).collect();
    assert!(first.iter().any(|line| line.starts_with("cargo run --release -- compare")));
    assert!(first.iter().any(|line| line.starts_with("cargo test")));
}
