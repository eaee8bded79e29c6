//! The rules of the repository that a reader relies on: which crate may know which, and what lies where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What each crate may depend on among ours, in normal builds. A crate that is not listed may not exist.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("node", &[]),
    ("contract", &[]),
    ("compute", &["node", "contract"]),
    ("coupled", &["node", "contract", "compute"]),
    ("decoupled", &["node", "contract", "compute"]),
    ("uring", &["node"]),
    ("sim", &["node"]),
    ("workloads", &["contract"]),
    ("checker", &["contract"]),
    ("load", &["contract", "node"]),
    ("record", &[]),
    ("nemesis", &["node"]),
    ("peers", &["contract"]),
    ("harness", &["*"]),
];

/// Libraries that only runtimes and the binary may use.
const RUNTIME_ONLY: [&str; 4] = ["tokio", "io-uring", "rayon", "libc"];
/// Crates that are runtimes, or do not take part in a run.
const RUNTIMES: [&str; 4] = ["uring", "harness", "record", "peers"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the harness is one level down").to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata runs")
}

fn normal_dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let members = metadata.workspace_packages();
    let of = |package: &&cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        (package.name.to_string(), normal.map(|dependency| dependency.name.clone()).collect())
    };
    members.iter().map(of).collect()
}

#[test]
fn crates_depend_only_downwards() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let all = normal_dependencies(&metadata());
    let ours: BTreeSet<_> = all.keys().cloned().collect();
    for (name, dependencies) in &all {
        let may = allowed.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} has no rule"));
        for dependency in dependencies.intersection(&ours) {
            assert!(may.contains(&"*") || may.contains(&dependency.as_str()), "{name} may not depend on {dependency}");
        }
    }
}

#[test]
fn engines_and_their_seams_know_no_runtime() {
    for (name, dependencies) in normal_dependencies(&metadata()) {
        if RUNTIMES.contains(&name.as_str()) {
            continue;
        }
        for banned in RUNTIME_ONLY {
            assert!(
                !dependencies.contains(banned) || (name == "workloads" && banned == "rayon"),
                "{name} uses {banned}"
            );
        }
    }
}

#[test]
fn there_is_one_binary_and_every_crate_is_unpublished_and_licensed() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let binaries: Vec<_> = packages.iter().flat_map(|package| &package.targets).filter(|t| t.is_bin()).collect();
    assert_eq!(binaries.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(), ["sextant"]);
    for package in &packages {
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{}", package.name);
        assert_eq!(package.publish.as_deref(), Some(&[][..]), "{}", package.name);
        for target in package.targets.iter().filter(|target| target.is_bin() || target.is_lib()) {
            let text = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
            assert!(text.contains("bench = false"), "{} {} takes criterion's flags away", package.name, target.name);
        }
    }
}

#[test]
fn the_visible_top_level_is_fixed() {
    let allowed = ["Cargo.toml", "Cargo.lock", "engines", "workloads", "harness", "results", "README.md", "target"];
    for entry in std::fs::read_dir(root()).expect("the root") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}

/// A measured run has no planted bug: nobody can plant one but the chaos command.
#[test]
fn bugs_are_planted_by_the_chaos_command_alone() {
    let mut planting = BTreeSet::new();
    let mut folders = vec![root().join("engines"), root().join("harness"), root().join("workloads")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let plants = text.contains(concat!("Planted", "::plant("));
                planting.extend(plants.then(|| path.strip_prefix(root()).expect("inside").to_owned()));
            }
        }
    }
    assert_eq!(planting, BTreeSet::from([PathBuf::from("harness/src/chaos/mutants/catalogue.rs")]));
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    for package in metadata().workspace_packages() {
        let text = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        let inherits = text.contains("[lints]\nworkspace = true");
        assert!(inherits || package.name.as_str() == "uring", "{} does not inherit the lints", package.name);
    }
}
