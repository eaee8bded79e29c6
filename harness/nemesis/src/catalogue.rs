//! Every fault there is a word for: its id, its slug, what each engine owes under it, and where it can be injected.
//!
//! One name everywhere: suites, scripts, matrices and documents call a row by its id (`D9`) or its slug (`bit-rot`). A row
//! that a runtime cannot inject yet says so; nothing is left out silently. Rows about changing a volume's members wait for
//! membership change and are not listed.

use std::fmt;

/// What an engine owes under a fault, from nothing seen to what nobody could detect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owed {
    /// The fault cannot strike the engine.
    NotApplicable,
    /// Clients see nothing but latency.
    Masked,
    /// Availability may be lost for a bounded time; nothing acknowledged is.
    Degraded,
    /// The engine may refuse to serve, names the reason, and loses nothing that it does not admit.
    Halt,
    /// With the copies there are, nobody can detect it.
    KnownLimit,
}

impl Owed {
    /// The name in matrices and records.
    pub const fn name(self) -> &'static str {
        match self {
            Owed::NotApplicable => "n/a",
            Owed::Masked => "masked",
            Owed::Degraded => "degraded",
            Owed::Halt => "halt",
            Owed::KnownLimit => "known-limit",
        }
    }
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The engines that owe something, as columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineClass {
    /// `coupled`.
    Coupled,
    /// `coupled-mirrored`.
    Mirrored,
    /// `decoupled`.
    Decoupled,
}

impl EngineClass {
    /// All of them, in the order of the columns.
    pub const ALL: [EngineClass; 3] = [EngineClass::Coupled, EngineClass::Mirrored, EngineClass::Decoupled];

    /// The engine's name.
    pub const fn name(self) -> &'static str {
        ["coupled", "coupled-mirrored", "decoupled"][self as usize]
    }

    /// The engine of that name.
    pub fn find(name: &str) -> Option<EngineClass> {
        EngineClass::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// What a script is played on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// The simulator.
    #[default]
    Sim,
    /// The real runtime, in one process.
    Real,
    /// Processes.
    Process,
}

impl Carrier {
    /// The engines that can be played on it. Of processes these are those whose storage nodes can be processes.
    pub fn classes(self) -> &'static [EngineClass] {
        match self {
            Carrier::Sim | Carrier::Real => &EngineClass::ALL,
            Carrier::Process => &[EngineClass::Decoupled],
        }
    }

    /// Whether power can be cut. Processes are killed instead, and the kernel keeps what they gave it.
    pub fn cuts_power(self) -> bool {
        self != Carrier::Process
    }

    /// Whether disks can be made to fail, lie and stall.
    pub fn rules_disks(self) -> bool {
        self != Carrier::Process
    }
}

/// Whether a runtime can inject a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Scripts inject it.
    Script,
    /// Scripts inject what is nearest to it: processes are killed where power should fail, and nothing that the kernel was
    /// given is lost.
    ByKill,
    /// The runtime always behaves so, whatever the script.
    Always,
    /// Tests of this name inject it; scripts cannot yet.
    Tests(&'static str),
    /// Nothing injects it yet.
    NotYet,
    /// It cannot be made in user space; this would be needed.
    Beyond(&'static str),
    /// It has no meaning there, for this reason.
    Senseless(&'static str),
}

impl Reach {
    /// Whether scripts inject it, in whichever way.
    pub fn is_injected(self) -> bool {
        matches!(self, Reach::Script | Reach::ByKill)
    }

    /// How a listing says it.
    pub fn describe(self) -> String {
        match self {
            Reach::Script => "scripts".to_owned(),
            Reach::ByKill => "scripts, by kill: the page cache stays".to_owned(),
            Reach::Always => "always on".to_owned(),
            Reach::Tests(place) => format!("tests only: {place}"),
            Reach::NotYet => "not injected yet".to_owned(),
            Reach::Beyond(what) => format!("not in user space: needs {what}"),
            Reach::Senseless(why) => format!("n/a: {why}"),
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: &'static str,
    /// Its name in words.
    pub slug: &'static str,
    /// What happens.
    pub about: &'static str,
    /// What each of [`EngineClass::ALL`] owes at worst.
    pub owed: [Owed; 3],
    /// Whether the simulator injects it.
    pub sim: Reach,
    /// Whether the real runtime does.
    pub real: Reach,
    /// Whether real processes meet it.
    pub process: Reach,
}

impl Row {
    /// The row of that id or slug.
    pub fn find(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.id.eq_ignore_ascii_case(name) || row.slug == name)
    }

    /// What `class` owes.
    pub fn owed_by(&self, class: EngineClass) -> Owed {
        self.owed[class as usize]
    }

    /// Whether scripts inject it in the simulator, into `class`.
    pub fn strikes(&self, class: EngineClass) -> bool {
        self.strikes_on(Carrier::Sim, class)
    }

    /// Where `carrier` injects it.
    pub fn reach(&self, carrier: Carrier) -> Reach {
        match carrier {
            Carrier::Sim => self.sim,
            Carrier::Real => self.real,
            Carrier::Process => self.process,
        }
    }

    /// Whether scripts that are played on `carrier` inject it, into `class`.
    pub fn strikes_on(&self, carrier: Carrier, class: EngineClass) -> bool {
        self.reach(carrier).is_injected()
            && carrier.classes().contains(&class)
            && self.owed_by(class) != Owed::NotApplicable
    }

    /// Whether stored bytes stay damaged, so that an engine without another copy cannot come back by itself.
    pub fn damages(&self) -> bool {
        ["D5", "D6", "D8", "D9", "D10", "D18", "D19", "D20", "K7", "O4"].contains(&self.id)
    }

    /// Whether only evidence elsewhere can tell: the disk says what is not so.
    pub fn lies(&self) -> bool {
        ["D5", "D6", "D19"].contains(&self.id)
    }
}

const fn row(id: &'static str, slug: &'static str, about: &'static str, owed: [Owed; 3], reach: [Reach; 3]) -> Row {
    let [sim, real, process] = reach;
    Row { id, slug, about, owed, sim, real, process }
}

use Owed::{Degraded, Halt, KnownLimit, Masked, NotApplicable};
use Reach::{Always, Beyond, ByKill, NotYet, Script, Senseless, Tests};

/// The rows of a real disk's crash images.
const IMAGES: Reach = Tests("harness/tests/images");
/// The conformance suite of disks.
const CONFORMANCE: Reach = Tests("engines/node/src/conformance");

const ALL_DEGRADED: [Owed; 3] = [Degraded, Degraded, Degraded];
const ONE_COPY_HALTS: [Owed; 3] = [Halt, Degraded, Masked];
const LINKS: [Owed; 3] = [NotApplicable, Degraded, Degraded];
const BY_SCRIPT: [Reach; 3] = [Script, Script, Script];
const BY_SCRIPT_OR_KILL: [Reach; 3] = [Script, Script, ByKill];
const LYING_DISK: [Reach; 3] = [Script, Script, Beyond("a device that lies")];
const FAILING_DISK: [Reach; 3] = [Script, Script, Beyond("a device that fails")];
const SLOW_DISK: [Reach; 3] = [Script, Script, Beyond("a device that is slow")];

/// All rows.
pub const ROWS: [Row; 54] = [
    row("D1", "torn-log-tail", "power fails while the log's end is written", ALL_DEGRADED, [Script, Script, IMAGES]),
    row("D2", "torn-page", "power fails while a page is written in place", ALL_DEGRADED, [Script, Script, IMAGES]),
    row(
        "D3",
        "unsynced-lost",
        "power fails and writes, names and lengths that were not synced are gone",
        ALL_DEGRADED,
        [Script, Script, IMAGES],
    ),
    row(
        "D4",
        "reordered-persistence",
        "of writes between two syncs, any subset survives power loss",
        ALL_DEGRADED,
        [Script, Script, IMAGES],
    ),
    row("D5", "lost-write", "a write is acknowledged and never happened", [KnownLimit, KnownLimit, Masked], LYING_DISK),
    row("D6", "misdirected-write", "a write lands elsewhere in its file", [KnownLimit, KnownLimit, Masked], LYING_DISK),
    row("D7", "misdirected-read", "a read returns what lies elsewhere", ONE_COPY_HALTS, LYING_DISK),
    row("D8", "unreadable-sector", "sectors answer EIO until they are rewritten", ONE_COPY_HALTS, FAILING_DISK),
    row("D9", "bit-rot", "stored bits flip silently", ONE_COPY_HALTS, BY_SCRIPT),
    row("D10", "helical-rot", "every copy is damaged, each somewhere else", [NotApplicable, Halt, Halt], BY_SCRIPT),
    row("D11", "sync-error", "a sync fails once; what it covered may be lost", ALL_DEGRADED, FAILING_DISK),
    row("D12", "write-error", "writes fail with EIO, done or not", ALL_DEGRADED, FAILING_DISK),
    row(
        "D13",
        "disk-full",
        "creations, extensions and writes fail with ENOSPC",
        ALL_DEGRADED,
        [Script, Script, Tests("harness/tests/full_disks")],
    ),
    row(
        "D14",
        "short-io",
        "operations complete in part",
        ALL_DEGRADED,
        [Senseless("the disk contract hides it"), CONFORMANCE, NotYet],
    ),
    row("D15", "slow-disk", "operations take much longer for a while", ALL_DEGRADED, SLOW_DISK),
    row("D16", "stuck-io", "operations never complete until the node is reset", ALL_DEGRADED, SLOW_DISK),
    row("D17", "completions-reordered", "operations complete in any order", [Masked; 3], [Always, CONFORMANCE, NotYet]),
    row("D18", "disk-lost", "a node's disk is empty when it returns", [Halt, Halt, Masked], BY_SCRIPT),
    row("D19", "rolled-back", "a node's disk returns in an earlier state", [KnownLimit, KnownLimit, Masked], BY_SCRIPT),
    row("D20", "superblock-copy-damaged", "copies of the superblock rot", ONE_COPY_HALTS, BY_SCRIPT),
    row("D21", "disks-swapped", "two nodes return with each other's disks", [NotApplicable, Halt, Degraded], BY_SCRIPT),
    row("N1", "loss", "links lose frames", LINKS, BY_SCRIPT),
    row(
        "N2",
        "duplication",
        "links deliver frames twice, some much later",
        LINKS,
        [Script, Script, Senseless("TCP delivers once")],
    ),
    row(
        "N3",
        "reordering",
        "links change the order of frames",
        LINKS,
        [Script, Script, Senseless("TCP keeps the order")],
    ),
    row("N4", "delay", "links of a node clog and release", LINKS, BY_SCRIPT),
    row("N5", "one-way-cut", "one direction passes nothing", LINKS, BY_SCRIPT),
    row("N6", "cut", "nodes are cut from all others", LINKS, BY_SCRIPT),
    row("N7", "zone-cut", "a zone is cut from the others", LINKS, BY_SCRIPT),
    row("N8", "slow-zone-link", "little bandwidth to a zone", LINKS, BY_SCRIPT),
    row("N9", "corrupted-frames", "links damage bytes", LINKS, BY_SCRIPT),
    row(
        "N10",
        "connection-storm",
        "connections by the thousand, half of them open at one end",
        LINKS,
        [
            Senseless("frames have no connections"),
            Senseless("links are in process"),
            Tests("engines/uring/tests/tcp.rs"),
        ],
    ),
    row("P1", "kill", "a process dies; what its disk completed stays", ALL_DEGRADED, BY_SCRIPT),
    row("P2", "power-loss", "a machine loses power", ALL_DEGRADED, [Script, Script, IMAGES]),
    row("P3", "crash-in-recovery", "the database dies again and again while it recovers", ALL_DEGRADED, BY_SCRIPT),
    row("P4", "pause", "a node stops for a while and goes on", ALL_DEGRADED, BY_SCRIPT),
    row("P5", "zombie-writer", "a replaced writer lives on", [NotApplicable, NotApplicable, Degraded], BY_SCRIPT),
    row(
        "P6",
        "two-recoveries",
        "two database nodes open one volume",
        [NotApplicable, NotApplicable, Degraded],
        BY_SCRIPT,
    ),
    row(
        "P7",
        "old-read-view",
        "a read view stays open while versions are collected",
        [NotApplicable, NotApplicable, Masked],
        [Script, NotYet, NotYet],
    ),
    row("P8", "client-link", "clients lose requests and replies", ALL_DEGRADED, BY_SCRIPT),
    row("P9", "queue-full", "more is asked than fits", ALL_DEGRADED, [Script, NotYet, NotYet]),
    row(
        "C1",
        "clock-forward",
        "the wall clock jumps ahead",
        [Masked; 3],
        [Senseless("nodes see a monotonic clock"), Senseless("nodes see a monotonic clock"), NotYet],
    ),
    row(
        "C2",
        "clock-backward",
        "the wall clock jumps back",
        [Masked; 3],
        [Senseless("nodes see a monotonic clock"), Senseless("nodes see a monotonic clock"), NotYet],
    ),
    row(
        "C3",
        "clock-drift",
        "clocks of nodes run at different rates",
        [Masked, Degraded, Degraded],
        [Script, Senseless("all nodes read the machine's clock"), Senseless("all nodes read the machine's clock")],
    ),
    row("K1", "zone-lost", "everything in a zone loses power together", [Degraded; 3], BY_SCRIPT_OR_KILL),
    row("K2", "zone-and-one-lost", "a zone and one more node are lost", LINKS, BY_SCRIPT_OR_KILL),
    row(
        "K3",
        "zone-and-one-lost-and-rot",
        "a zone and one are lost, and what is left of a copy is rotten",
        [NotApplicable, NotApplicable, Halt],
        BY_SCRIPT_OR_KILL,
    ),
    row("K4", "two-zones-lost", "two zones are lost", LINKS, BY_SCRIPT_OR_KILL),
    row("K5", "blackout", "everything loses power at once", ALL_DEGRADED, BY_SCRIPT_OR_KILL),
    row("K6", "rolling-restart", "nodes restart one after the other, too fast", ALL_DEGRADED, BY_SCRIPT),
    row(
        "K7",
        "correlated-corruption",
        "the same records rot on many copies",
        [NotApplicable, Halt, Halt],
        [Script, NotYet, NotYet],
    ),
    row("K8", "correlated-slowness", "several disks are slow together", ALL_DEGRADED, SLOW_DISK),
    row(
        "O4",
        "bad-repair-source",
        "a copy is mended from a corrupt or stale one",
        // While the standby is detached a mirrored volume has two copies: these.
        [NotApplicable, Halt, Masked],
        [Script, NotYet, Script],
    ),
    row(
        "O5",
        "wrong-disk-wiped",
        "an operator wipes the wrong disk or restores an old image",
        [Halt, Halt, KnownLimit],
        [Tests("as D18 and D19"), NotYet, NotYet],
    ),
    row(
        "O7",
        "format-mismatch",
        "files of another format version",
        [Halt; 3],
        [Tests("engines/*/src/superblock.rs"), Tests("harness/tests/cli_errors.rs"), NotYet],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_one_id_and_one_slug_of_its_own() {
        let names: BTreeSet<&str> = ROWS.iter().flat_map(|row| [row.id, row.slug]).collect();
        assert_eq!(names.len(), 2 * ROWS.len());
        for row in &ROWS {
            assert_eq!(Row::find(row.id), Some(row));
            assert_eq!(Row::find(row.slug), Some(row));
        }
        assert_eq!(Row::find("d9").map(|row| row.slug), Some("bit-rot"));
        assert_eq!(Row::find("D99"), None);
    }

    #[test]
    fn a_row_that_strikes_nobody_is_not_injected() {
        for row in &ROWS {
            let struck = EngineClass::ALL.into_iter().any(|class| row.strikes(class));
            assert_eq!(struck, row.sim == Reach::Script, "{}", row.id);
        }
    }
}
