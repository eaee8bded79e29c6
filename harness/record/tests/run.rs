//! A whole run through the writer, read back, checked, drawn, and damaged on purpose.
//!
//! `RECORD_SAMPLE_DIR=DIR cargo test -p record --test run` leaves the sample run below `DIR`, for the notebook and
//! for looking at the report.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};

use record::{
    EngineInfo, IntervalInput, Key, LatencyBook, LatencyKind, Phase, Run, RunInfo, RunPlan, RunWriter, Span, Status,
    Summary, Verdict,
};

/// The sample run, under `RECORD_SAMPLE_DIR` when that is set.
fn sampled() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("RECORD_SAMPLE_DIR").map(PathBuf::from);
    let dir = sample::write(kept.as_deref().unwrap_or(parent.path()));
    (parent, dir)
}

fn all_of<'a>(run: &'a Run, engine: &str, kind: LatencyKind) -> Vec<&'a (Key, Summary)> {
    let is_wanted = |(key, row): &&(Key, Summary)| {
        let window = &row.window;
        key.engine == engine && window.op == "ALL" && window.latency_kind == kind && window.phase == Phase::Measure
    };
    run.summary.iter().filter(is_wanted).collect()
}

#[test]
fn a_finished_run_is_complete_consistent_and_readable() {
    let (_parent, dir) = sampled();
    let inconsistencies = record::check(&dir);
    assert!(inconsistencies.is_empty(), "{inconsistencies:#?}");

    let run = Run::open(&dir).unwrap();
    assert_eq!((run.info.status, run.info.verdict), (Status::Ok, Some(Verdict::Ok)));
    assert_eq!(run.info.run_id, dir.file_name().unwrap().to_str().unwrap());
    assert_eq!(run.engines(), ["coupled", "coupled-mirrored", "decoupled"]);
    let decoupled = all_of(&run, "decoupled", LatencyKind::Response);
    assert_eq!(decoupled.iter().map(|(key, _)| key.repeat).collect::<Vec<_>>(), [1, 2]);
    let metrics = &decoupled[0].1.metrics;
    assert!((metrics.net_ios_per_txn.unwrap() - 2.12).abs() < 0.01, "client traffic is left out");
    assert_eq!(metrics.durability_class.as_deref(), Some("4 of 6 copies, 3 zones"));
    assert_eq!(metrics.recovery_s, Some(0.212), "what is known after closing is there too");
    let mirrored = &all_of(&run, "coupled-mirrored", LatencyKind::Response)[0].1;
    assert_eq!((mirrored.metrics.dip_ratio, mirrored.metrics.t_recover95_s), (Some(0.0), Some(1.5)));
    let service = &all_of(&run, "coupled-mirrored", LatencyKind::Service)[0].1;
    assert!(mirrored.window.p50_ns > service.window.p50_ns, "response time includes the generator's delay");

    let page = fs::read_to_string(record::report::render(&dir).unwrap()).unwrap();
    for wanted in ["Verdict: ok", "Throughput over time", "Latency by percentile", "az-loss az-b", "made up by a test"]
    {
        assert!(page.contains(wanted), "{wanted}");
    }
    for remote in ["<script", "http://www.google", "https://", "@import", "url("] {
        assert!(!page.contains(remote), "the page is self-contained: {remote}");
    }
    let table = record::table::render(&run.info, &run.summary, 120);
    assert!(table.contains("coupled-mirrored") && table.contains("4 of 6 copies, 3 zones"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
}

/// A short run of one engine in a closed loop, without faults or I/O counts.
fn bare(parent: &Path) -> RunWriter {
    let engines = vec![EngineInfo { name: "null".into(), durability_class: "none".into(), ..EngineInfo::default() }];
    let plan = RunPlan { command: "bench".into(), engines, ..RunPlan::default() };
    let mut run = RunWriter::create(parent, plan).unwrap();
    let id = run.segment("null", "bank", 1, 0);
    let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
    let op = book.op("transfer");
    for interval in 0..4 {
        (0..2_000).for_each(|index| book.complete(op, true, 100_000 + index, 100_000 + index));
        let input = IntervalInput {
            phase: Phase::Measure,
            span: Span { start_ns: interval * 200_000_000, len_ns: 200_000_000 },
            offered_per_s: None,
            in_flight_mean: Some(1.01),
            sched_lag: None,
            ops: &book.swap(),
        };
        run.interval(id, &input).unwrap();
    }
    run
}

#[test]
fn a_bare_run_is_as_consistent_and_shows_what_it_has() {
    let parent = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("RECORD_SAMPLE_DIR").map(|dir| PathBuf::from(dir).join("bare"));
    let dir = bare(kept.as_deref().unwrap_or(parent.path())).finish(Status::Ok, None, Vec::new()).unwrap();
    assert_eq!(record::check(&dir), []);
    let page = fs::read_to_string(record::report::render(&dir).unwrap()).unwrap();
    assert!(page.contains("Nothing was checked.") && !page.contains("Faults and recovery"));
    let window = &Run::open(&dir).unwrap().summary[0].1.window;
    assert_eq!((window.completed, window.late, window.offered_per_s, window.goodput_per_s), (8_000, None, None, None));
    assert_eq!(window.throughput_per_s, 10_000.0);
}

#[test]
fn an_interrupted_run_keeps_what_was_measured() {
    let parent = tempfile::tempdir().unwrap();
    let run = bare(parent.path());
    let dir = run.dir().to_path_buf();
    drop(run);
    let info = RunInfo::read(&dir).unwrap();
    assert_eq!((info.status, info.end_utc.is_some()), (Status::Aborted, true));
    assert_eq!(record::check(&dir), []);
    assert_eq!(Run::open(&dir).unwrap().summary[0].1.spread.n, 8_000);
}

#[test]
fn a_killed_run_says_aborted_and_its_intervals_are_there() {
    let parent = tempfile::tempdir().unwrap();
    let run = bare(parent.path());
    let dir = run.dir().to_path_buf();
    std::mem::forget(run);
    // The last rows were cut short as well.
    for file in ["intervals.csv", "latency.hlog"] {
        let mut bytes = fs::read(dir.join(file)).unwrap();
        bytes.truncate(bytes.len() - 7);
        fs::write(dir.join(file), bytes).unwrap();
    }
    let run = Run::open(&dir).unwrap();
    assert_eq!((run.info.status, run.info.end_utc.is_some()), (Status::Aborted, false));
    assert_eq!((run.intervals.len(), run.summary.len()), (15, 0));
    assert!(record::report::html(&run).contains("did not reach its end"));
}

#[test]
fn runs_started_at_the_same_moment_get_directories_of_their_own() {
    let parent = tempfile::tempdir().unwrap();
    let create = || RunWriter::create(parent.path(), RunPlan::default()).unwrap();
    let runs: Vec<RunWriter> = (0..20).map(|_| create()).collect();
    let mut ids: Vec<&str> = runs.iter().map(RunWriter::run_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[test]
fn the_index_grows_and_one_of_other_columns_is_set_aside() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("index.csv"), "run_id,something,else\nold,1,2\n").unwrap();
    for _ in 0..2 {
        bare(parent.path()).finish(Status::Ok, None, Vec::new()).unwrap();
    }
    let index = fs::read_to_string(parent.path().join("index.csv")).unwrap();
    assert_eq!(index.lines().count(), 3, "{index}");
    assert!(index.starts_with("run_id,engine,workload,repeats,"));
    assert!(fs::read_to_string(parent.path().join("index.old-1.csv")).unwrap().contains("old,1,2"));
}

#[test]
fn a_parent_that_cannot_be_written_is_a_clear_error() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("taken");
    fs::write(&file, "").unwrap();
    let error = RunWriter::create(&file, RunPlan::default()).unwrap_err().to_string();
    assert!(error.contains("taken") && error.contains("cannot create"), "{error}");
}

/// Replaces the first match in a file of a run directory.
fn damage(dir: &Path, file: &str, from: &str, to: &str) {
    let path = dir.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn every_kind_of_damage_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let dir = bare(parent.path()).finish(Status::Ok, None, Vec::new()).unwrap();
    type Damage = fn(&Path);
    let cases: [(&str, &str, Damage); 11] = [
        ("a file is missing", "io.csv", |dir| fs::remove_file(dir.join("io.csv")).unwrap()),
        ("a column is renamed", "io.csv", |dir| damage(dir, "io.csv", "reads", "loads")),
        ("a cell is no number", "intervals.csv", |dir| damage(dir, "intervals.csv", ",2000,", ",many,")),
        ("an interval lost operations", "intervals.csv", |dir| {
            damage(dir, "intervals.csv", ",2000,2000,", ",1999,1999,")
        }),
        ("the summary counts differently", "summary.csv", |dir| {
            damage(dir, "summary.csv", ",8000,8000,", ",8001,8001,")
        }),
        ("a percentile was touched", "percentiles.csv", |dir| damage(dir, "percentiles.csv", ",0.5,", ",0.51,")),
        ("a heat map cell was touched", "histogram.csv", |dir| damage(dir, "histogram.csv", ",2000\n", ",2001\n")),
        ("a row of another run", "intervals.csv", |dir| damage(dir, "intervals.csv", ",null,", "x,null,")),
        ("Little's law", "summary.csv", |dir| damage(dir, "summary.csv", ",1.01,", ",1.2,")),
        ("a log line is gone", "latency.hlog", |dir| damage(dir, "latency.hlog", "Tag=null/ALL/service,0.2", "#,0.2")),
        ("a plot file is missing", "hgrm", |dir| fs::remove_file(dir.join("hgrm/null.bank.ALL.service.hgrm")).unwrap()),
    ];
    for (case, file, damage) in cases {
        let copied = parent.path().join("damaged");
        copy(&dir, &copied);
        damage(&copied);
        let found = record::check(&copied);
        assert!(found.iter().any(|inconsistency| inconsistency.file == file), "{case}: {found:?}");
        fs::remove_dir_all(&copied).unwrap();
    }
}

#[test]
fn a_reader_takes_columns_an_older_version_did_not_write_for_not_measured() {
    let parent = tempfile::tempdir().unwrap();
    let dir = bare(parent.path()).finish(Status::Ok, None, Vec::new()).unwrap();
    let path = dir.join("intervals.csv");
    let shorter: String = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n")
        .collect();
    fs::write(&path, shorter).unwrap();
    let run = Run::open(&dir).unwrap();
    assert_eq!((run.intervals[0].1.in_flight_mean, run.intervals[0].1.sched_lag_p99_ns), (Some(1.01), None));
}

/// A run whose window held failed operations ended with "the record contradicts itself: 0 latencies for 8 operations": the
/// load keeps latencies of successes only, and the check wanted one for every operation. A user would have distrusted
/// exactly those runs in which something went wrong.
#[test]
fn failed_operations_need_no_latency() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = RunWriter::create(parent.path(), RunPlan::default()).unwrap();
    let id = run.segment("decoupled", "oltp_write_only", 1, 0);
    let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
    let slot = book.op("write");
    book.complete(slot, true, 5, 7);
    book.counts_mut(slot).errors += 8;
    let ops = book.swap();
    let span = Span { start_ns: 0, len_ns: 1_000_000_000 };
    let input = IntervalInput {
        phase: Phase::Measure,
        span,
        offered_per_s: None,
        in_flight_mean: None,
        sched_lag: None,
        ops: &ops,
    };
    run.interval(id, &input).unwrap();
    run.close(id).unwrap();
    let dir = run.finish(Status::Ok, None, Vec::new()).unwrap();
    assert_eq!(record::check(&dir), vec![]);
    let run = Run::open(&dir).unwrap();
    let (_, row) = all_of(&run, "decoupled", LatencyKind::Service)[0];
    assert_eq!((row.window.completed, row.window.ok, row.spread.n), (9, 1, 1));
}

/// Times are rounded to microseconds. An interval that began half a microsecond after one went by one number in the log and by
/// the next in the table, and a sound run was told to contradict itself: one interval in two thousand.
#[test]
fn an_interval_is_found_in_the_log_whatever_nanosecond_it_began_at() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = RunWriter::create(parent.path(), RunPlan::default()).unwrap();
    let id = run.segment("null", "bank", 1, 0);
    let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
    let slot = book.op("transfer");
    for start_ns in [1_000_001_500, 2_000_000_500, 4_000_003_500, 7_435_380_500] {
        book.complete(slot, true, 5, 7);
        let span = Span { start_ns, len_ns: 1_000_000_000 };
        let phase = Phase::Measure;
        let input = IntervalInput {
            phase,
            span,
            offered_per_s: None,
            in_flight_mean: None,
            sched_lag: None,
            ops: &book.swap(),
        };
        run.interval(id, &input).unwrap();
    }
    run.close(id).unwrap();
    let dir = run.finish(Status::Ok, None, Vec::new()).unwrap();
    let found: Vec<_> = record::check(&dir).into_iter().filter(|found| found.file == "latency.hlog").collect();
    assert_eq!(found, vec![]);
}

/// Nothing ended for a while, or at all: that time is part of the window. It was left out, so that a stall before the first commit
/// made an engine faster, and a run without any commit contradicted itself.
#[test]
fn time_in_which_nothing_has_ended_yet_counts() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = RunWriter::create(parent.path(), RunPlan::default()).unwrap();
    let (slow, stuck) = (run.segment("coupled", "bank", 1, 0), run.segment("decoupled", "bank", 1, 10_000_000_000));
    let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
    for second in 0..4 {
        let span = Span { start_ns: second * 1_000_000_000, len_ns: 1_000_000_000 };
        let input = |ops| IntervalInput {
            phase: Phase::Measure,
            span,
            offered_per_s: Some(10.0),
            in_flight_mean: Some(8.0),
            sched_lag: None,
            ops,
        };
        let mut ops = Vec::new();
        if second >= 2 {
            let slot = book.op("transfer");
            (0..10).for_each(|_| book.complete(slot, true, 5, 7));
            let counts = book.counts_mut(slot);
            (counts.late, counts.dropped) = (Some(1), Some(0));
            ops = book.swap();
        }
        run.interval(slow, &input(&ops)).unwrap();
        run.interval(stuck, &input(&[])).unwrap();
    }
    [slow, stuck].into_iter().for_each(|id| run.close(id).unwrap());
    let dir = run.finish(Status::Ok, None, Vec::new()).unwrap();
    assert_eq!(record::check(&dir), vec![]);
    let run = Run::open(&dir).unwrap();
    let all = |engine: &str| all_of(&run, engine, LatencyKind::Response)[0].1.window.clone();
    let seen = |row: record::Interval| (row.ok, row.late, row.t_len_s, row.throughput_per_s, row.p50_ns.is_some());
    assert_eq!(seen(all("coupled")), (20, Some(2), 4.0, 5.0, true));
    assert_eq!(seen(all("decoupled")), (0, Some(0), 4.0, 0.0, false));
    assert!(record::report::html(&run).contains("decoupled"));
    let said = [
        record::table::render(&run.info, &run.summary, 110),
        record::conclusions::of(&run.info, &run.summary).join("\n"),
    ];
    assert!(said.iter().all(|text| !text.contains("NaN") && !text.contains("inf")), "{said:#?}");
}
