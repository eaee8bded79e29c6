//! `results/README.md` describes the columns this crate writes, all of them, in order.

use std::collections::BTreeMap;
use std::path::Path;

use record::index::IndexRow;
use record::{Fault, HistogramCell, Interval, Io, Key, Percentile, Recovery, Resource, Row, Summary, check::FILES};

/// The first cells of the table under each file's heading, and the key columns' table before any.
fn documented() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut file = "key".to_owned();
    for line in readme.lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            file = heading.trim_end_matches('`').to_owned();
            tables.insert(file.clone(), Vec::new());
        } else if line.starts_with("## ") && !tables.is_empty() {
            // A table further down describes no file.
            file = line.to_owned();
        } else if let Some(column) = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |")) {
            tables.entry(file.clone()).or_default().push(column.0.to_owned());
        } else if line.starts_with("| *the columns of `intervals.csv`*") {
            let inherited = tables["intervals.csv"].clone();
            tables.entry(file.clone()).or_default().extend(inherited);
        }
    }
    tables
}

#[test]
fn the_schema_page_lists_every_column_in_order() {
    let documented = documented();
    assert_eq!(documented["key"], Key::COLUMNS);
    for (file, columns) in [
        (Interval::FILE, Interval::columns()),
        (Summary::FILE, Summary::columns()),
        (Percentile::FILE, Percentile::columns()),
        (HistogramCell::FILE, HistogramCell::columns()),
        (Io::FILE, Io::columns()),
        (Resource::FILE, Resource::columns()),
        (Fault::FILE, Fault::columns()),
        (Recovery::FILE, Recovery::columns()),
        (record::index::FILE, IndexRow::COLUMNS.to_vec()),
    ] {
        assert_eq!(documented[file], columns, "results/README.md, {file}");
    }
}

#[test]
fn the_schema_page_describes_every_file() {
    let documented = documented();
    for file in FILES.into_iter().chain(["report.html", "hgrm/*.hgrm", "index.csv"]) {
        assert!(documented.contains_key(file), "results/README.md has no section on {file}");
    }
}
