//! The READMEs as a test: their commands run, and their tables are the program's.

mod process;

use std::path::Path;

use clap::{CommandFactory, Parser};
use harness::cli::args::Cli;
use harness::exit::Exit;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness is one level down")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn readme() -> String {
    text("README.md")
}

#[test]
fn the_profile_for_campaigns_is_there() {
    assert!(readme().contains("--profile campaign"));
    let workspace: toml::Table = text("Cargo.toml").parse().expect("TOML");
    assert_eq!(workspace["profile"]["campaign"]["lto"].as_str(), Some("fat"));
}

/// Lines of fenced blocks that a shell would run, without comments.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh" || (line == "```" && !inside);
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

/// The command with a smaller data set and shorter windows; what it does stays the same.
fn reduced(mut arguments: Vec<String>) -> Vec<String> {
    let mut set = |flag: &str, value: &str| match arguments.iter().position(|argument| argument == flag) {
        Some(at) => arguments[at + 1] = value.to_owned(),
        None => arguments.extend([flag.to_owned(), value.to_owned()]),
    };
    let sizes =
        [("--rows", "300"), ("--tables", "2"), ("--duration", "400ms"), ("--warmup", "50ms"), ("--sessions", "8")];
    sizes.into_iter().for_each(|(flag, value)| set(flag, value));
    arguments
}

#[test]
fn every_command_of_the_readme_parses_and_ends_well() {
    let commands = commands(&readme());
    let ours: Vec<_> = commands.iter().filter_map(|command| arguments(command)).collect();
    assert!(ours.len() >= 5, "{commands:?}");
    let place = process::workplace();
    for arguments in ours {
        if let Err(error) = Cli::try_parse_from(&arguments) {
            panic!("README.md: {}: {error}", arguments.join(" "));
        }
        let measures = matches!(arguments[1].as_str(), "compare" | "bench");
        let shorter = if measures { reduced(arguments[1..].to_vec()) } else { arguments[1..].to_vec() };
        let shorter: Vec<&str> = shorter.iter().map(String::as_str).collect();
        process::expect(place.path(), &shorter, Exit::Ok as i32, &[]);
    }
}

#[test]
fn every_other_command_of_the_readmes_is_run_by_the_gate() {
    let steps = std::fs::read_dir(root().join(".ci/steps")).expect("steps").map(|entry| entry.expect("a step").path());
    let step = |path: std::path::PathBuf| std::fs::read_to_string(path).expect("a script");
    let gate: String = steps.map(step).chain([text(".ci/run")]).collect();
    for file in ["README.md", "results/README.md"] {
        for command in commands(&text(file)).iter().filter(|command| arguments(command).is_none()) {
            let is_command = ["cargo ", "pip ", "jupyter "].iter().any(|word| command.starts_with(word));
            let words: Vec<&str> = command.split_whitespace().take(2).collect();
            assert!(!is_command || gate.contains(&words.join(" ")), "{file}: nothing runs `{command}`");
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
