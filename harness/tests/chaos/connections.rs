//! Clients of a database that starts again.

use harness::chaos::play::{Playing, play};
use nemesis::{Carrier, EngineClass};
use node::Nanos;
use record::{LatencyKind, Run};

use crate::by_hand::disturbed;
use crate::process::{DURABLE, bench, expect, only_run, workplace};

/// They waited their whole patience for a database that had forgotten them: most scripts were silent after the first crash, and the
/// time to the first commit told how patient clients are.
#[test]
fn a_restart_of_the_database_silences_nobody_for_the_rest_of_a_script() {
    let faults = [(50, "P1", "crash compute"), (60, "P1", "restart compute")];
    for class in EngineClass::ALL {
        for seed in 1..=5 {
            let script = disturbed(Carrier::Sim, class, seed, &faults);
            let played = play(&script, &Playing::default());
            assert_eq!(played.seen.failure(), None, "{} {seed}", class.name());
            let silent_until = played.outages.last().map_or(Nanos::ZERO, |outage| outage.1);
            assert!(silent_until < played.struck_for, "{} {seed}: {:?}", class.name(), played.outages);
        }
    }
}

/// Clients of a bench wait two seconds for a reply. Its zone is away for less, in virtual time: whoever was not told would still
/// wait when the database serves again.
#[test]
fn a_bench_commits_as_soon_as_a_lost_writer_is_back() {
    for engine in DURABLE {
        let place = workplace();
        let mut arguments = bench(engine, "data", "3s");
        arguments.extend(["--runtime", "sim", "--fault", "writer-az-loss", "--rate", "500"]);
        expect(place.path(), &arguments, 0, &[]);
        let run = Run::open(&only_run(place.path())).expect("a run");
        let fault = &run.faults.first().expect("a fault").1;
        let healed_s = fault.t_heal_s.expect("it was healed");
        let away_s = healed_s - fault.t_inject_s;
        assert!(away_s < 1.0, "{engine}: away for {away_s} s");
        let commits = run.intervals.iter().map(|(_, row)| row).filter(|row| {
            let is_one = row.op == "ALL" && row.latency_kind == LatencyKind::Response && row.ok > 0;
            is_one && row.t_start_s + row.t_len_s > healed_s
        });
        let first_s = commits.map(|row| row.t_start_s).fold(f64::INFINITY, f64::min);
        assert!(first_s < healed_s + 0.5, "{engine}: healed at {healed_s} s, no commit before {first_s} s");
    }
}
