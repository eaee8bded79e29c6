//! Clients of a database that starts again.

use harness::chaos::play::{Playing, play};
use nemesis::{Carrier, EngineClass};
use node::Nanos;

use crate::by_hand::disturbed;

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
