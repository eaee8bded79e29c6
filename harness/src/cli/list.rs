//! `sextant list`.

use serde_json::json;
use workloads::Distribution;

use super::args::ListArgs;
use crate::engines;
use crate::exit::{Exit, Failure};
use crate::printed::outln;
use crate::profile::Profile;

/// The faults that `compare` and `bench` inject.
pub const FAULTS: [(&str, &str); 3] = [
    ("none", "nothing is disturbed"),
    ("az-loss", "every node in az-b crashes and its links are cut; later it returns"),
    ("writer-az-loss", "the same for az-a, where the database node lives"),
];

pub(super) fn run(args: &ListArgs) -> Result<Exit, Failure> {
    let sections = sections();
    if args.json {
        let object: serde_json::Map<String, serde_json::Value> = sections
            .into_iter()
            .map(|(title, rows)| {
                let rows = rows.into_iter().map(|(name, about)| json!({ "name": name, "about": about }));
                (title.to_owned(), rows.collect())
            })
            .collect();
        outln!("{:#}", serde_json::Value::Object(object));
        return Ok(Exit::Ok);
    }
    for (title, rows) in sections {
        outln!("{title}");
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, about) in rows {
            outln!("  {name:width$}  {about}");
        }
        outln!();
    }
    Ok(Exit::Ok)
}

type Section = (&'static str, Vec<(String, String)>);

fn sections() -> [Section; 5] {
    let engine = |engine: std::sync::Arc<dyn engines::Engine>| {
        (engine.name().to_owned(), format!("{} [{}]", engine.about(), engine.durability_class()))
    };
    let engines = engines::all().into_iter().map(engine).collect();
    let workload = |name: &&str| ((*name).to_owned(), about_workload(name).to_owned());
    let workloads = workloads::NAMES.iter().map(workload).collect();
    let distribution = |law: Distribution| (law.name().to_owned(), format!("default parameters: {law}"));
    let distributions = Distribution::ALL.into_iter().map(distribution).collect();
    let profiles = Profile::built_in().into_iter().map(|profile| (profile.name, profile.about)).collect();
    let faults = FAULTS.iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned())).collect();
    [
        ("engines", engines),
        ("workloads", workloads),
        ("distributions", distributions),
        ("profiles", profiles),
        ("faults", faults),
    ]
}

fn about_workload(name: &str) -> &'static str {
    match name {
        "oltp_read_write" => "sysbench: 10 point selects, 4 ranges, 2 updates, delete and insert",
        "oltp_write_only" => "sysbench: index update, non-index update, delete and insert",
        "oltp_read_only" => "sysbench: 10 point selects, 4 ranges",
        "oltp_update_index" => "sysbench: one update of the indexed column",
        "oltp_update_non_index" => "sysbench: one update of another column",
        "oltp_insert" => "sysbench: one insert",
        "oltp_delete" => "sysbench: one delete",
        "oltp_point_select" => "sysbench: one point select",
        "ycsb-a" => "YCSB A: half reads, half updates",
        "ycsb-b" => "YCSB B: 95 % reads, 5 % updates",
        "ycsb-c" => "YCSB C: reads only",
        "ycsb-d" => "YCSB D: 95 % reads of the latest, 5 % inserts",
        "ycsb-e" => "YCSB E: 95 % short scans, 5 % inserts",
        "ycsb-f" => "YCSB F: half reads, half read-modify-writes",
        "bank" => "transfers whose total never changes, and audits that check it",
        "register" => "single keys written with unique values and read",
        "list-append" => "lists that only grow, for dependency-cycle checkers",
        "mixed" => "every statement of the contract, in transactions of any shape",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_listed_says_what_it_is() {
        for (title, rows) in sections() {
            assert!(rows.iter().all(|(name, about)| !name.is_empty() && !about.is_empty()), "{title}: {rows:?}");
        }
    }
}
