//! Suites: which engines, which faults, how much of what, and what is demanded. TOML, built in or a user's own.

use std::path::Path;

use nemesis::{Demand, EngineClass, Row};
use node::Nanos;
use serde::Deserialize;

use crate::exit::Failure;
use crate::names;

/// A suite.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// The engines it strikes.
    pub engines: Vec<String>,
    /// Rows by id or slug, or `all`.
    pub faults: Vec<String>,
    /// How many of them one script uses: `half`, `one` or `all`.
    pub pick: Pick,
    /// What is demanded, which is also the budget of damage: `liveness` or `safety`.
    pub demand: DemandName,
    /// The length of scripts, in milliseconds of virtual time: least and most.
    pub span_ms: [u64; 2],
    /// Episodes of faults in a script, at most.
    #[serde(default = "episodes_max")]
    pub episodes: u64,
    /// The share of the episodes of P5 in which storage is divided between two database nodes.
    #[serde(default)]
    pub divided: f64,
    /// Operations in a script: least and most.
    pub operations: [u64; 2],
    /// Clients: least and most.
    pub clients: [u32; 2],
    /// Rows in each table at first: least and most.
    pub keys: [u64; 2],
    /// Seeds when nobody says how many.
    pub seeds: u64,
}

fn episodes_max() -> u64 {
    nemesis::EPISODES_MAX
}

/// How many of its rows a script of a suite uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// About half, drawn.
    Half,
    /// One, in turn by seed.
    One,
    /// All.
    All,
}

/// A demand by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DemandName {
    /// See [`Demand::Liveness`].
    Liveness,
    /// See [`Demand::Safety`].
    Safety,
}

impl From<DemandName> for Demand {
    fn from(name: DemandName) -> Demand {
        match name {
            DemandName::Liveness => Demand::Liveness,
            DemandName::Safety => Demand::Safety,
        }
    }
}

const BUILT_IN: [(&str, &str); 6] = [
    ("swarm", include_str!("../../suites/swarm.toml")),
    ("rows", include_str!("../../suites/rows.toml")),
    ("damage", include_str!("../../suites/damage.toml")),
    ("zones", include_str!("../../suites/zones.toml")),
    ("views", include_str!("../../suites/views.toml")),
    ("quiet", include_str!("../../suites/quiet.toml")),
];

/// Those that hunt planted bugs: see [`crate::chaos::mutants`].
const CANARIES: [(&str, &str); 14] = [
    ("power", include_str!("../../suites/canary/power.toml")),
    ("disk-errors", include_str!("../../suites/canary/disk-errors.toml")),
    ("log-rot", include_str!("../../suites/canary/log-rot.toml")),
    ("stray-reads", include_str!("../../suites/canary/stray-reads.toml")),
    ("standby", include_str!("../../suites/canary/standby.toml")),
    ("contention", include_str!("../../suites/canary/contention.toml")),
    ("readers", include_str!("../../suites/canary/readers.toml")),
    ("lossy", include_str!("../../suites/canary/lossy.toml")),
    ("recovery", include_str!("../../suites/canary/recovery.toml")),
    ("amnesia", include_str!("../../suites/canary/amnesia.toml")),
    ("segment-rot", include_str!("../../suites/canary/segment-rot.toml")),
    ("succession", include_str!("../../suites/canary/succession.toml")),
    ("division", include_str!("../../suites/canary/division.toml")),
    ("late", include_str!("../../suites/canary/late.toml")),
];

const FIELDS: [&str; 13] = [
    "name",
    "about",
    "engines",
    "faults",
    "pick",
    "demand",
    "span_ms",
    "episodes",
    "divided",
    "operations",
    "clients",
    "keys",
    "seeds",
];

impl Suite {
    /// Those that come with the program.
    pub fn built_in() -> Vec<Suite> {
        BUILT_IN.iter().map(|(name, text)| Suite::parse(name, text).expect("tested")).collect()
    }

    /// Those whose scripts must fail on an engine with the bug that they are after.
    pub fn canaries() -> Vec<Suite> {
        CANARIES.iter().map(|(name, text)| Suite::parse(name, text).expect("tested")).collect()
    }

    /// The suite of that name, or that file.
    ///
    /// # Errors
    ///
    /// There is none, or it makes no sense.
    pub fn find(asked: &str) -> Result<Suite, Failure> {
        if asked.ends_with(".toml") {
            let text = std::fs::read_to_string(Path::new(asked))
                .map_err(|error| Failure::io(format!("cannot read the suite {asked}: {error}")))?;
            return Suite::parse(asked, &text).map_err(Failure::usage);
        }
        let known = [Suite::built_in(), Suite::canaries()].concat();
        let names: Vec<String> = known.iter().map(|suite| suite.name.clone()).collect();
        known.into_iter().find(|suite| suite.name == asked).ok_or_else(|| {
            let unknown = names::unknown("suite", asked, names.iter().map(String::as_str));
            Failure::usage(format!("{unknown}, all, or a .toml file"))
        })
    }

    /// Reads and checks a suite; `source` is named in errors.
    ///
    /// # Errors
    ///
    /// What is wrong, where, and which name was probably meant.
    pub fn parse(source: &str, text: &str) -> Result<Suite, String> {
        let suite: Suite = toml::from_str(text).map_err(|error| {
            let said = error.to_string();
            let unknown = said.split("unknown field `").nth(1).and_then(|rest| rest.split('`').next());
            let hint = unknown.map_or(String::new(), |field| format!("{}\n", names::unknown("field", field, FIELDS)));
            format!("suite {source}: {hint}{}", said.trim_end())
        })?;
        suite.check().map_err(|why| format!("suite {source}: {why}"))?;
        Ok(suite)
    }

    fn check(&self) -> Result<(), String> {
        for engine in &self.engines {
            let known = EngineClass::ALL.map(EngineClass::name);
            EngineClass::find(engine).ok_or_else(|| names::unknown("engine under chaos", engine, known))?;
        }
        let known = || nemesis::ROWS.iter().flat_map(|row| [row.id, row.slug]).chain(["all"]);
        for fault in self.faults.iter().filter(|fault| *fault != "all") {
            Row::find(fault).ok_or_else(|| names::unknown("fault", fault, known()))?;
        }
        let rules = [
            (!self.engines.is_empty(), "it names no engine"),
            (self.span_ms[0] >= 1 && self.span_ms[1] <= 60_000, "span_ms lies between 1 and 60000"),
            (self.clients[0] >= 1 && self.clients[1] <= 100, "clients lie between 1 and 100"),
            (self.keys[0] >= 2 && self.keys[1] <= 10_000, "keys lie between 2 and 10000"),
            (self.episodes <= 1_000, "episodes are at most 1000"),
            ((0.0..=1.0).contains(&self.divided), "divided is a share: it lies between 0 and 1"),
            (self.operations[1] <= 100_000, "operations are at most 100000"),
            (self.seeds >= 1, "seeds are at least 1"),
        ];
        if let Some((_, why)) = rules.iter().find(|(holds, _)| !holds) {
            return Err((*why).to_owned());
        }
        let ranges = [
            ("span_ms", self.span_ms),
            ("operations", self.operations),
            ("clients", self.clients.map(u64::from)),
            ("keys", self.keys),
        ];
        match ranges.iter().find(|(_, [low, high])| low > high) {
            Some((name, [low, high])) => Err(format!("{name} = [{low}, {high}] is no range: least, then most")),
            None => Ok(()),
        }
    }

    /// Its rows.
    pub fn rows(&self) -> Vec<&'static Row> {
        if self.faults.iter().any(|fault| fault == "all") {
            return nemesis::ROWS.iter().collect();
        }
        self.faults.iter().filter_map(|fault| Row::find(fault)).collect()
    }

    /// Its engines.
    pub fn classes(&self) -> Vec<EngineClass> {
        self.engines.iter().filter_map(|engine| EngineClass::find(engine)).collect()
    }

    /// A length of time in its range, from a draw in `0..=1_000_000`.
    pub fn span(&self, draw: u64) -> Nanos {
        let [low, high] = self.span_ms;
        Nanos::from_micros(low * 1_000 + (high - low) * 1_000 * draw / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_suites_parse_and_bear_their_names() {
        let all = [Suite::built_in(), Suite::canaries()].concat();
        for ((name, _), suite) in BUILT_IN.iter().chain(&CANARIES).zip(all) {
            assert_eq!(*name, suite.name);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_name_that_was_meant() {
        let good = BUILT_IN[0].1;
        let cases = [
            ("pick = \"half\"", "pik = \"half\"", "did you mean `pick`?"),
            ("pick = \"half\"", "pick = \"most\"", "unknown variant `most`"),
            ("\"decoupled\"", "\"decopled\"", "did you mean `decoupled`?"),
            ("faults = [\"all\"]", "faults = [\"bit-rott\"]", "did you mean `bit-rot`?"),
            ("demand = \"liveness\"", "demand = \"liveliness\"", "unknown variant"),
            ("operations = [0, 300]", "operations = [300, 0]", "is no range"),
            ("clients = [1, 8]", "clients = [0, 8]", "clients lie between"),
            ("seeds = 100", "", "missing field `seeds`"),
            ("divided = 0.25", "divided = 1.5", "divided is a share"),
        ];
        for (from, to, why) in cases {
            assert!(good.contains(from), "{from} is not in the suite");
            let found = Suite::parse("mine.toml", &good.replace(from, to)).expect_err(why);
            assert!(found.contains(why) && found.contains("mine.toml"), "{found}");
        }
    }
}
