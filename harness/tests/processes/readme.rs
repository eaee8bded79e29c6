//! The README's commands for processes that a person starts, as they stand there.

use std::path::Path;

use crate::nodes::{addresses, list};
use crate::process::{Running, expect, workplace};

/// The lines of the block, with the place of `$NODES` taken by addresses of the test's own.
fn lines() -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness is one level down");
    let text = std::fs::read_to_string(root.join("README.md")).expect("a README");
    let section = text.split("## Real processes").nth(1).expect("its section");
    let block = section.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its block");
    let nodes = list(&addresses());
    let words = |line: &str| line.replace("$NODES", &nodes).split_whitespace().map(str::to_owned).collect();
    block.lines().filter(|line| line.starts_with("sextant ")).map(words).collect()
}

#[test]
fn the_casual_reader_of_the_help_is_not_bothered_with_nodes() {
    let place = workplace();
    let help =
        |arguments: &[&str]| String::from_utf8_lossy(&expect(place.path(), arguments, 0, &[]).stdout).into_owned();
    assert!(!help(&["--help"]).contains("  node "));
    let of_node = help(&["node", "--help"]);
    for flag in ["--member", "--nodes", "--listen", "--data-dir"] {
        assert!(of_node.contains(flag), "{flag}: {of_node}");
    }
}

#[test]
fn the_readmes_processes_serve_a_bench_that_is_verified() {
    let place = workplace();
    let (mut nodes, mut ended) = (Vec::new(), Vec::new());
    for line in lines() {
        let mut words: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        if words.last() == Some(&"&") {
            words.pop();
            let mut node = Running::start_aloud(place.path(), &words);
            node.hear("listening on");
            nodes.push(node);
        } else {
            if words[0] == "bench" {
                words.extend([
                    "--duration",
                    "1s",
                    "--warmup",
                    "50ms",
                    "--rows",
                    "300",
                    "--tables",
                    "2",
                    "--sessions",
                    "8",
                ]);
            }
            expect(place.path(), &words, 0, &[]);
            ended.push(words[0].to_owned());
        }
    }
    assert_eq!((nodes.len(), ended), (6, vec!["bench".to_owned(), "verify".to_owned()]));
    for node in nodes {
        node.signal("TERM");
        let (code, said) = node.end();
        assert_eq!(code, Some(0), "{said}");
    }
}
