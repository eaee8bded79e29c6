//! Which consistency models an anomaly rules out.

/// Models, each after those that it includes, with the anomalies that it forbids besides theirs.
///
/// After A. Adya, *Weak consistency* (1999), and A. Cerone, G. Bernardi, A. Gotsman, *A framework for transactional consistency
/// models with atomic visibility* (2015), as far as list histories tell them apart.
const MODELS: [Model; 9] = [
    Model {
        name: "read-uncommitted",
        includes: &[],
        forbids: &["G0", "dirty-update", "duplicate-elements", "garbage-read"],
    },
    Model {
        name: "read-committed",
        includes: &["read-uncommitted"],
        forbids: &["G1a", "G1b", "G1c", "incompatible-order"],
    },
    Model { name: "read-atomic", includes: &["read-committed"], forbids: &["internal"] },
    Model { name: "snapshot-isolation", includes: &["read-atomic"], forbids: &["G-single"] },
    Model { name: "repeatable-read", includes: &["read-atomic"], forbids: &["G-single", "G2-item"] },
    Model { name: "serializable", includes: &["snapshot-isolation", "repeatable-read"], forbids: &[] },
    Model {
        name: "strong-session-snapshot-isolation",
        includes: &["snapshot-isolation"],
        forbids: &["G0-process", "G1c-process", "G-single-process"],
    },
    Model {
        name: "strong-session-serializable",
        includes: &["serializable", "strong-session-snapshot-isolation"],
        forbids: &["G2-item-process"],
    },
    Model {
        name: "strict-serializable",
        includes: &["strong-session-serializable"],
        forbids: &["G0-realtime", "G1c-realtime", "G-single-realtime", "G2-item-realtime"],
    },
];

struct Model {
    name: &'static str,
    includes: &'static [&'static str],
    forbids: &'static [&'static str],
}

/// The models that do not allow these anomalies, weakest first.
pub fn ruled_out(found: impl Iterator<Item = &'static str> + Clone) -> Vec<&'static str> {
    let mut out: Vec<&'static str> = Vec::new();
    for model in &MODELS {
        let is_broken = found.clone().any(|kind| model.forbids.contains(&kind));
        if is_broken || model.includes.iter().any(|included| out.contains(included)) {
            out.push(model.name);
        }
    }
    out
}
