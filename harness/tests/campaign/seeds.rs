//! Many seeds.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use harness::campaign::{Decoupled, Outcome, Subject, Substance, Trace, run};

use crate::number;

/// One seed, its failure in words. An engine that panics has failed too.
fn one(subject: &mut dyn Subject, seed: u64) -> Result<Outcome, String> {
    let file = std::env::var_os("SEXTANT_TRACE")
        .map(|path| Rc::new(RefCell::new(BufWriter::new(File::create(path).expect("the trace's file can be made")))));
    let trace = file.map(|file| -> Trace {
        Box::new(move |line| writeln!(file.borrow_mut(), "{line}").expect("the trace can be written"))
    });
    catch_unwind(AssertUnwindSafe(|| run(subject, seed, trace))).unwrap_or_else(|_| Err("a node panicked".into()))
}

fn campaign(test: &str, subject: impl Fn(u64) -> Box<dyn Subject>, count: u64) -> Substance {
    let first = number("SEXTANT_SEED", 1);
    let (mut substance, mut events, mut failures) = (Substance::default(), 0, Vec::new());
    for seed in first..first + count {
        match one(&mut *subject(seed), seed) {
            Ok(outcome) => {
                events += outcome.events;
                substance.merge(&outcome.substance);
                if std::env::var_os("SEXTANT_VERBOSE").is_some() {
                    let Outcome { workload, span, families, substance, digest, .. } = outcome;
                    println!("{seed} {digest:032x} {workload} {span:?} {families:?}: {substance}");
                }
            }
            Err(what) => {
                println!(
                    "seed {seed}: {what}\n    SEXTANT_SEED={seed} SEXTANT_SEEDS=1 SEXTANT_TRACE=trace.txt cargo test -p \
                     harness --test campaign {test}"
                );
                failures.push(seed);
            }
        }
    }
    println!("{test}: {count} seeds, {} failed, {events} events; {substance}", failures.len());
    assert!(failures.is_empty(), "{test}: seeds {failures:?} failed, see above");
    substance
}

/// What a campaign of decoupled must have met, or it proves little.
const SUBSTANCE_OF_DECOUPLED: [&str; 20] = [
    "transactions acknowledged",
    "splits",
    "merges",
    "evictions",
    "pages fetched",
    "conflicts",
    "crashes",
    "halts",
    "holes filled",
    "records gossiped",
    "recoveries that truncated a tail",
    "resends",
    "hedges",
    "segments rebuilt from baseline",
    "leases waited out",
    "epoch duels",
    "pages coalesced",
    "outcomes unknown",
    "reads fenced",
    "pages compared on six nodes",
];

#[test]
fn seeds_of_decoupled() {
    let seeds = number("SEXTANT_SEEDS", 24);
    let substance = campaign("seeds_of_decoupled", |_| Box::new(Decoupled::any()), seeds);
    let missing = substance.missing(&SUBSTANCE_OF_DECOUPLED);
    // A run of one seed is there to look at that seed.
    assert!(seeds < 24 || missing.is_empty(), "nothing was seen of {missing:?}");
}

#[test]
fn a_seed_is_one_run_and_another_seed_another() {
    let digest = |seed| one(&mut Decoupled::any(), seed).expect("a seed that passes").digest;
    let digests = [digest(3), digest(4)];
    assert_eq!(digests, [digest(3), digest(4)]);
    assert_ne!(digests[0], digests[1]);
}
