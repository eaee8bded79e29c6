use super::availability::{at, share};
use super::*;

/// A run of one script that failed, with `name` wherever a name or a text can stand.
fn named(name: &str) -> Chaos {
    let own = || name.to_owned();
    let seen = Seen { name: own(), runs: 1, tone: Tone::Bad };
    let stretch = Stretch { from_s: 0.1, to_s: 0.2, what: own() };
    let course = Course {
        span_s: 1.0,
        faults: vec![Lane { name: own(), stretches: vec![stretch.clone()] }],
        halts: vec![stretch.clone()],
        outages: vec![stretch],
        text: own(),
    };
    let failure = Failure {
        engine: own(),
        suite: own(),
        seed: 7,
        seen: seen.clone(),
        owed: own(),
        what: own(),
        replay: own(),
        shrink: own(),
        course: Some(course),
    };
    let engine =
        Engine { name: own(), scripts: 4, recoveries_s: vec![0.25], states: vec![(own(), 3)], ..Engine::default() };
    let cell = Cell::Struck { owed: own(), hits: 2, seen: vec![seen.clone()] };
    let fault = Fault { id: own(), name: own(), about: own(), left_out: Some(own()), cells: vec![cell] };
    let code = Code { git_sha: Some(own()), rustc: own(), profile: own(), target: own(), ..Code::default() };
    Chaos {
        verdict: Some(Verdict::Violation),
        unsteady: 0,
        cut_short: Some(own()),
        outcomes: vec![seen],
        failed: 3,
        failures: vec![failure],
        engines: vec![engine],
        faults: vec![fault],
        suites: vec![Suite { name: own(), about: own(), engines: vec![own()], seeds: own(), scripts: 1 }],
        events: 5,
        virtual_s: 2.0,
        core_s: 0.5,
        elapsed_s: 0.25,
        code,
        reproduce: own(),
    }
}

/// Suites are anybody's files, and texts of failures quote what nodes read from damaged disks.
#[test]
fn no_name_breaks_out_of_its_place() {
    let page = html(&named("</pre><b onclick='x'>\"&"));
    assert!(!page.contains("<b onclick") && !page.contains("'x'"), "{page}");
    assert!(page.matches("&lt;b ").count() > 20, "every name is there");
    assert!(!page.contains("\"\"&"), "an attribute ends where it began");
}

#[test]
fn what_failed_stands_under_the_verdict_and_the_rest_is_counted() {
    let page = html(&named("strange"));
    for wanted in ["Verdict: violation", "seed 7", "2 more are only counted", "Virtual ÷ core", "4.00 ×", "250 ms"] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    assert!(page.contains("never asked for"), "an availability that nobody asked for has no share");
}

#[test]
fn a_share_is_whole_only_when_nothing_is_missing() {
    assert_eq!((share(1.0), share(0.999_999), share(0.5)), ("100 %".into(), "99.99 %".into(), "50.00 %".into()));
    let sorted = [0.1, 0.2, 0.3, 0.4];
    assert_eq!([at(&sorted, 0.05), at(&sorted, 0.5), at(&sorted, 1.0)], [0.1, 0.2, 0.4]);
}
