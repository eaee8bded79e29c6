//! Files damaged while no process has them open.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use record::Run;

use crate::nodes::{NAMES, Nodes};
use crate::process::{Running, bench, expect, runs, workplace};
use crate::{acknowledges_more, at_work, interrupt, verify};

/// The files of a node under `data_dir` whose names start so, in order.
pub fn files(data_dir: &Path, node: &str, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join(node)).expect("the node's directory");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)));
    files.sort();
    files
}

/// Flips bits all over a file, one in every `every` bytes.
pub fn rot(path: &Path, every: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes.iter_mut().step_by(every).for_each(|byte| *byte ^= 0x10);
    let file = OpenOptions::new().write(true).open(path).expect("writable");
    file.write_all_at(&bytes, 0).expect("written");
}

#[test]
fn rotten_log_and_pages_are_repaired_from_the_other_processes() {
    let place = workplace();
    let mut arguments = bench("decoupled", "data", "1s");
    arguments.extend(["--runtime", "process"]);
    expect(place.path(), &arguments, 0, &[]);
    let first = runs(place.path());
    for (node, prefix) in [("storage-a1", "log-"), ("storage-b1", "pages"), ("storage-c2", "index-")] {
        let found = files(&place.path().join("data"), node, prefix);
        assert!(!found.is_empty(), "{node} has {prefix}");
        found.iter().for_each(|path| rot(path, 509));
    }
    arguments.extend(["--reuse", "--acks", "acks"]);
    expect(place.path(), &arguments, 0, &[]);
    let second = runs(place.path()).into_iter().find(|run| !first.contains(run)).expect("another run");
    let run = Run::open(&second).expect("a run");
    let mended = run.info.notices.iter().find(|notice| notice.starts_with("storage-b1 found "));
    let mended = mended.unwrap_or_else(|| panic!("rot in pages is found and told: {:?}", run.info.notices));
    assert!(!mended.contains(" and 0 pages"), "{mended}");
    let verify = expect(place.path(), &["verify", "--data-dir", "data", "--acks", "acks"], 0, &[]);
    assert!(String::from_utf8_lossy(&verify.stdout).contains("nothing acknowledged is lost"));
}

#[test]
fn a_node_without_a_whole_superblock_is_refused_with_a_reason_and_done_without() {
    let place = workplace();
    let mut nodes = Nodes::start(place.path());
    let mut at_first = at_work(place.path(), &nodes.list());
    nodes.kill(2);
    for path in files(&place.path().join("nodes"), NAMES[2], "superblock") {
        rot(&path, 97);
    }
    let refused = {
        let all = nodes.list();
        let arguments = ["node", "--member", NAMES[2], "--nodes", &all, "--data-dir", "nodes"];
        let (code, said) = Running::start(place.path(), &arguments).end();
        assert_eq!(code, Some(74), "{said}");
        said
    };
    assert!(refused.contains("storage-b1 halted") && refused.contains("superblock"), "{refused}");
    acknowledges_more(&mut at_first, place.path());
    interrupt(at_first);
    verify(place.path(), &nodes.list());
    // An empty disk in its place is rebuilt.
    fs::remove_dir_all(place.path().join("nodes").join(NAMES[2])).expect("removed");
    nodes.restart(2);
    verify(place.path(), &nodes.list());
    nodes.end();
}
