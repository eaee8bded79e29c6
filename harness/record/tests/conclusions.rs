//! The sentences that a run ends with: what they claim follows from the figures, and nothing more is claimed.

mod sample;

use record::{LatencyKind, LinkDelay, Phase, Run, Status, Summary, Verdict, conclusions};

fn sampled() -> Run {
    let parent = tempfile::tempdir().unwrap();
    Run::open(&sample::write(parent.path())).unwrap()
}

fn sentences(run: &Run) -> String {
    conclusions::of(&run.info, &run.summary).join("\n")
}

/// Changes the `ALL` rows of one engine's measured repeats.
fn change(run: &mut Run, engine: &str, change: impl Fn(u32, &mut Summary)) {
    for (key, row) in &mut run.summary {
        if key.engine == engine && row.window.op == "ALL" && row.window.phase == Phase::Measure {
            change(key.repeat, row);
        }
    }
}

#[test]
fn correctness_stands_first_and_names_who_is_not_protected() {
    let run = sampled();
    let all = conclusions::of(&run.info, &run.summary);
    assert_eq!(
        all[0],
        "Every promise was kept: no reply was wrong, and after the crash every acknowledged change was there."
    );
    let text = sentences(&run);
    assert!(text.contains("coupled keeps 1 copy, 1 zone and is not protected"), "{text}");
    assert!(!text.contains("decoupled keeps"), "only the unprotected are warned of: {text}");
    assert!(text.contains("decoupled: no errors"), "{text}");
    assert!(text.contains("Each was probed once"), "a capacity without a spread is no ranking: {text}");
}

#[test]
fn a_broken_promise_is_said_with_its_reason() {
    let mut run = sampled();
    run.info.verdict = Some(Verdict::Violation);
    run.info.reasons = vec!["decoupled: violation: key 7 holds version 3, acknowledged was 4".to_owned()];
    let all = conclusions::of(&run.info, &run.summary);
    assert!(all[0].contains("broke its promise") && all[1].contains("key 7 holds version 3"), "{all:?}");
}

#[test]
fn figures_that_must_not_be_used_are_not_put_into_words() {
    let mut run = sampled();
    run.info.status = Status::Invalid;
    let text = sentences(&run);
    assert!(text.contains("must not be used") && !text.contains("Capacity"), "{text}");
}

#[test]
fn other_programs_that_took_part_are_named() {
    let mut run = sampled();
    assert!(!sentences(&run).contains("Other programs"), "three parts in a hundred are nothing");
    change(&mut run, "decoupled", |repeat, row| {
        row.metrics.cpu_others_ratio = Some(if repeat == 2 { 0.613 } else { 0.2 });
    });
    let text = sentences(&run);
    assert!(text.contains("up to 61.3 % of the machine's CPU (decoupled repeat 2, measure)"), "{text}");
}

#[test]
fn links_that_came_late_are_said_of_each_engine_that_had_them() {
    let mut run = sampled();
    let link = |engine: &str, to: &str, intended_p50_ns, realised_p50_ns| LinkDelay {
        engine: engine.into(),
        from: "az-a".into(),
        to: to.into(),
        frames: 1_000,
        intended_p50_ns,
        realised_p50_ns,
    };
    run.info.links = vec![
        link("coupled", "az-a", 50_000, 54_000),
        link("decoupled", "az-b", 400_000, 390_000),
        link("decoupled", "az-a", 0, 9_000),
    ];
    assert!(!sentences(&run).contains("later than the profile asks"), "less than a tenth of what was asked is nothing");
    run.info.links.extend([
        link("coupled", "az-a", 50_000, 90_000),
        link("decoupled", "az-a", 50_000, 60_000),
        link("decoupled", "az-b", 400_000, 450_000),
        link("decoupled", "az-c", 400_000, 480_000),
    ]);
    let text = sentences(&run);
    let said = "by up to: coupled 40.0 µs inside a zone (80.0 %); decoupled 10.0 µs inside a zone (20.0 %), 80.0 µs between zones (20.0 %).";
    assert!(text.contains(said), "{text}");
}

#[test]
fn engines_are_told_apart_only_where_no_repeat_contradicts() {
    let mut run = sampled();
    let p99 = |of_repeat: [u64; 2]| {
        move |repeat: u32, row: &mut Summary| {
            if row.window.latency_kind == LatencyKind::Response {
                row.window.p99_ns = Some(of_repeat[repeat as usize - 1]);
            }
        }
    };
    change(&mut run, "coupled", p99([1_000_000, 3_000_000]));
    change(&mut run, "coupled-mirrored", p99([2_000_000, 9_000_000]));
    change(&mut run, "decoupled", p99([4_000_000, 5_000_000]));
    let text = sentences(&run);
    assert!(text.contains("coupled-mirrored 5.50 ms (2.75 ×), not told apart from coupled's"), "{text}");
    assert!(text.contains("decoupled 4.50 ms (2.25 ×), higher than coupled's in every repeat"), "{text}");
}

#[test]
fn one_repeat_gives_no_speed_verdict() {
    let mut run = sampled();
    run.summary.retain(|(key, _)| key.repeat < 2);
    assert!(sentences(&run).contains("no speed verdict without a spread"));
}

#[test]
fn debt_that_grew_is_named() {
    let mut run = sampled();
    change(&mut run, "coupled", |_, row| {
        row.metrics.deferred_log_bytes_start = Some(8_000_000);
        row.metrics.deferred_log_bytes = Some(8_100_000);
    });
    change(&mut run, "decoupled", |_, row| row.metrics.deferred_log_bytes = Some(410_000_000));
    let text = sentences(&run);
    assert!(text.contains("decoupled (391 MiB of log"), "{text}");
    assert!(!text.contains("coupled (7"), "what went back to where it began is no debt: {text}");
}

#[test]
fn a_zone_served_without_is_said() {
    let text = sentences(&sampled());
    assert!(!text.contains("served on with"), "the sample's mirrored engine promises something else: {text}");
    let mut run = sampled();
    let mirrored = run.info.engines.iter_mut().find(|engine| engine.name == "coupled-mirrored").unwrap();
    mirrored.protection = "degraded".to_owned();
    assert!(sentences(&run).contains("served on with 2 of 2 copies, 1 zone while the zone was away"));
}
