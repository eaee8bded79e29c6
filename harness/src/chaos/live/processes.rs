//! Storage nodes as processes as a stage: SIGKILL, SIGSTOP and SIGCONT, connections cut and damaged, files damaged, emptied,
//! put back and exchanged.
//!
//! The database node, a successor and the clients run in this process, as in [`super::Rings`]; each storage node is `sextant
//! node` over TCP, with a ring and files of its own, of the sizes and with the planted bug of the script. Every connection of
//! the engine passes a wire ([`crate::processes::Wires`]). What nodes show of themselves comes by other connections, from
//! attendants, so that it is seen of a node that is cut off, too.
//!
//! # Caveats
//!
//! - A kill takes a process's memory and what it had not handed to the kernel. Power cannot be cut: acts that would are refused,
//!   and where everything is to lose power everything is killed.
//! - Files are changed only while nobody has them open. A node that runs is killed for it, and started again at once.
//! - Damage in pages counts once a node reports to have found it, damage elsewhere when the node starts, which reads it.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::decoupled::topology::STORAGE;
use nemesis::{Act, Cast, DamageKind, Script};
use node::fault::{DiskCounts, Fault, LinkCounts, LinkRule};
use node::{Member, Nanos, NodeId, Rng, Topology};
use uring::process::Signal;
use uring::{Config, Standing};

use super::found::Found;
use super::rings::asleep_at_first;
use super::stage::{Stage, Struck, told};
use super::{files, manifest};
use crate::campaign::hits::{Counted, Met};
use crate::campaign::{Glimpse, Plants, Subject, Substance};
use crate::engines::DATABASE;
use crate::processes::{Fleet, NodeReport, ProcessSite};
use crate::rig::{CONSOLE, Console, Host};

/// How often attendants are asked.
const ASK_EVERY: Nanos = Nanos::from_millis(10);
/// What the processes say on standard error.
const WORDS: &str = "words";

/// Storage nodes in processes of their own, the rest of the engine in this one.
pub struct Processes {
    host: Host,
    console: Console,
    cast: Cast,
    directory: PathBuf,
    /// How the storage nodes stand.
    standing: BTreeMap<NodeId, Standing>,
    /// Nodes that stopped by themselves and nobody was told of yet.
    halts: VecDeque<(Nanos, NodeId, String)>,
    /// Where disks are that a script said to keep.
    kept: BTreeMap<NodeId, PathBuf>,
    /// Damage that each node's processes have found.
    found: BTreeMap<NodeId, Found>,
    asked_at: Nanos,
    rng: Rng,
}

impl Processes {
    /// Starts the members, and a console, over `directory`, which must not exist; storage nodes as processes that run
    /// `program`.
    ///
    /// # Errors
    ///
    /// An engine whose nodes cannot be processes, a planted bug without a name, or a process that does not come up.
    pub fn start(
        mut members: Vec<Member>,
        cast: Cast,
        directory: &Path,
        (script, plants): (&Script, Plants),
        program: &Path,
    ) -> Result<Processes, String> {
        let seed = script.header.seed;
        std::fs::create_dir_all(directory).map_err(told)?;
        let arguments = manifest::arguments(script, plants, directory)?;
        let (console, member) = Console::new(CONSOLE);
        members.push(member);
        if let Some(successor) = members.iter_mut().find(|member| Some(member.id) == cast.successor) {
            asleep_at_first(successor);
        }
        let topology = Topology { members };
        let mut config = Config::new(&topology, directory);
        config.seed = seed;
        let words = Some(directory.join(WORDS));
        let site = ProcessSite::Own { program: program.to_owned(), arguments, wired: true, words };
        let (volume, _) = crate::engines::storage_nodes(seed).map_err(told)?;
        let fleet = Fleet::start(topology, volume.0, &config, &site).map_err(told)?;
        if let Some(successor) = cast.successor {
            fleet.runtime().crash(successor).map_err(told)?;
        }
        Ok(Processes {
            host: Host::Processes(Box::new(fleet)),
            console,
            cast,
            directory: directory.to_owned(),
            standing: STORAGE.iter().map(|node| (*node, Standing::Up)).collect(),
            halts: VecDeque::new(),
            kept: BTreeMap::new(),
            found: BTreeMap::new(),
            asked_at: Nanos::ZERO,
            rng: Rng::new(seed).fork("files", 0),
        })
    }

    fn fleet(&self) -> &Fleet {
        let Host::Processes(fleet) = &self.host else { unreachable!("processes") };
        fleet
    }

    fn fleet_mut(&mut self) -> &mut Fleet {
        let Host::Processes(fleet) = &mut self.host else { unreachable!("processes") };
        fleet
    }

    /// Takes note of nodes that stopped by themselves.
    fn take_halts(&mut self) {
        while let Some((node, reason)) = self.fleet_mut().next_halt() {
            if let Some(standing) = self.standing.get_mut(&node) {
                *standing = Standing::Halted;
            }
            self.halts.push_back((self.now(), node, reason));
        }
    }

    /// What a storage node that runs said last.
    fn report(&self, node: NodeId) -> Option<NodeReport> {
        self.fleet().report(node)
    }

    /// Hears attendants, and asks them again now and then.
    fn hear(&mut self) {
        if self.now() < self.asked_at + ASK_EVERY {
            return;
        }
        self.asked_at = self.now();
        self.fleet().poll();
        for node in STORAGE {
            if let Some(report) = self.report(node)
                && let Some(serving) = &report.serving
            {
                self.found.entry(node).or_default().take(report.process, serving.damaged);
            }
        }
    }

    fn kill(&mut self, node: NodeId) -> Result<(), String> {
        self.hear();
        self.fleet_mut().crash(node).map_err(told)?;
        self.standing.insert(node, Standing::Down);
        Ok(())
    }

    fn start_again(&mut self, node: NodeId) -> Result<(), String> {
        self.fleet_mut().restart(node).map_err(told)?;
        self.standing.insert(node, Standing::Up);
        self.found.entry(node).or_default().starts();
        Ok(())
    }

    /// Has a process stand still, or go on. One that has ended meanwhile is told as a halt.
    fn signal(&mut self, node: NodeId, told: Signal) {
        if self.fleet_mut().signal(node, told).is_ok() {
            let standing = if told == Signal::Stop { Standing::Paused } else { Standing::Up };
            self.standing.insert(node, standing);
        }
    }

    /// Does something to the files of a node. One that runs is down meanwhile.
    fn at_rest<R>(
        &mut self,
        node: NodeId,
        mut change: impl FnMut(&mut Self, &Path) -> io::Result<R>,
    ) -> Result<R, String> {
        let before = self.standing[&node];
        if matches!(before, Standing::Up | Standing::Paused) {
            self.kill(node)?;
        }
        let directory = self.disk(node)?;
        let changed = change(self, &directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        if matches!(before, Standing::Up | Standing::Paused) {
            self.start_again(node)?;
        }
        if before == Standing::Paused {
            self.signal(node, Signal::Stop);
        }
        Ok(changed)
    }

    fn disk(&self, node: NodeId) -> Result<PathBuf, String> {
        self.fleet().disk_directory(node).ok_or_else(|| format!("{node:?} has no disk"))
    }

    fn damage(&mut self, act: &Act) -> Result<Option<String>, String> {
        let Act::Damage { node, files, place, sectors, .. } = act else { return Ok(None) };
        let prefix = if files == "any" { "" } else { files };
        let struck = self.at_rest(*node, |stage, directory| {
            let struck = files::rot(directory, prefix, (*place, u64::from(*sectors)), &mut stage.rng)?;
            if let Some((file, _)) = &struck {
                stage.found.entry(*node).or_default().rots(file);
            }
            Ok(struck)
        })?;
        Ok(struck.map(|(file, sectors)| format!("{file} sectors {sectors:?}")))
    }

    fn set_link(&self, from: NodeId, to: NodeId, rule: Option<LinkRule>) -> Result<(), String> {
        let fleet = self.fleet();
        if fleet.is_elsewhere(from) || fleet.is_elsewhere(to) {
            fleet.wires().expect("they were asked for").set(from, to, rule);
            return Ok(());
        }
        let fault = rule.map_or(Fault::Heal { from, to }, |rule| Fault::Link { from, to, rule });
        fleet.runtime().inject(&fault).map_err(told)
    }

    /// Carries out what is about a storage node's process or disk.
    fn strike_process(&mut self, act: &Act, struck: &mut Struck) -> Result<(), String> {
        match act {
            Act::Primitive(Fault::Crash { node, .. }) => self.kill(*node),
            Act::Primitive(Fault::Restart { node }) => self.start_again(*node),
            Act::Primitive(Fault::Pause { node }) => {
                self.signal(*node, Signal::Stop);
                Ok(())
            }
            Act::Primitive(Fault::Resume { node }) => {
                self.signal(*node, Signal::Continue);
                Ok(())
            }
            Act::Damage { .. } => {
                struck.place = self.damage(act)?;
                Ok(())
            }
            Act::Wipe { node } => {
                struck.met.held_data = self.at_rest(*node, |_, disk| {
                    let held = files::hold_data(disk)?;
                    files::empty(disk).map(|()| held)
                })?;
                Ok(())
            }
            Act::Keep { node } => {
                let place = self.directory.join(format!("kept-{}", node.0));
                self.at_rest(*node, |_, disk| files::copy(disk, &place))?;
                self.kept.insert(*node, place);
                Ok(())
            }
            Act::Rollback { node } => match self.kept.get(node).cloned() {
                Some(place) => self.at_rest(*node, |_, disk| files::copy(&place, disk)),
                None => Ok(()),
            },
            Act::Swap { one, other } => {
                let other = self.disk(*other)?;
                self.at_rest(*one, |_, disk| files::exchange(disk, &other))
            }
            // A process's disk and clock follow no rule: there is none to be ended.
            Act::Primitive(Fault::DiskClear { .. } | Fault::Clock { drift_ppm: 0, .. }) => Ok(()),
            act => Err(format!("no process can be done this to: {act:?}")),
        }
    }

    /// Carries out what is about a node of this process.
    fn strike_here(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Primitive(Fault::Crash { node, .. }) => self.fleet_mut().crash(*node).map_err(told),
            Act::Primitive(fault @ (Fault::Pause { .. } | Fault::Resume { .. })) => {
                match self.fleet().runtime().inject(fault) {
                    // It stopped by itself since it was looked at, which is told as a halt.
                    Ok(()) | Err(uring::Error::Down { .. } | uring::Error::Up { .. }) => Ok(()),
                    Err(error) => Err(told(error)),
                }
            }
            Act::Primitive(fault) => self.fleet().runtime().inject(fault).map_err(told),
            act => Err(format!("a node without a disk cannot be done this to: {act:?}")),
        }
    }

    /// Looks at a node of this process; `None` when it is down or has nothing to show.
    fn glimpse(&self, node: NodeId) -> Option<Glimpse> {
        self.fleet().probe(node, |node: &mut dyn Any| Glimpse::of(node)).ok().flatten()
    }

    /// What a storage node shows.
    fn segments(&self, node: NodeId) -> Option<::decoupled::storage::StorageProbe> {
        self.report(node)?.serving.map(|serving| serving.probe())
    }
}

impl Stage for Processes {
    fn now(&self) -> Nanos {
        self.host.now()
    }

    fn rest(&mut self, span: Duration) {
        self.host.sleep(span);
    }

    fn cuts_power(&self) -> bool {
        false
    }

    fn carries(act: &Act) -> bool {
        let is_process = |node: &NodeId| STORAGE.contains(node);
        match act {
            Act::Primitive(Fault::Crash { node, power }) => !(*power && is_process(node)),
            Act::Primitive(Fault::Link { from, to, rule }) => {
                let once = rule.duplicate == 0.0 && rule.duplicate_delay.is_none();
                once || !(is_process(from) || is_process(to))
            }
            Act::Primitive(
                Fault::Restart { .. }
                | Fault::Pause { .. }
                | Fault::Resume { .. }
                | Fault::Heal { .. }
                | Fault::DiskClear { .. },
            ) => true,
            Act::Damage { kind, .. } => *kind == DamageKind::Rot,
            Act::Wipe { .. } | Act::Keep { .. } | Act::Rollback { .. } | Act::Swap { .. } => true,
            Act::Primitive(Fault::Clock { drift_ppm, .. }) => *drift_ppm == 0,
            Act::Primitive(Fault::Disk { .. })
            | Act::CrashWriting { .. }
            | Act::CrashLosing { .. }
            | Act::RotAlike { .. }
            | Act::Crowd { .. } => false,
        }
    }

    fn standing(&mut self) -> Result<BTreeMap<NodeId, Standing>, String> {
        self.take_halts();
        let mut all = self.fleet().runtime().disturbances().map_err(told)?.standing;
        all.extend(&self.standing);
        Ok(all)
    }

    fn strike(&mut self, act: &Act) -> Result<Struck, String> {
        let before = self.standing()?.get(&act.node()).copied();
        let met = Met {
            was_running: before == Some(Standing::Up),
            was_up: matches!(before, Some(Standing::Up | Standing::Paused)),
            ..Met::default()
        };
        let mut struck = Struck { met, place: None };
        match act {
            Act::Primitive(Fault::Link { from, to, rule }) => self.set_link(*from, *to, Some(*rule))?,
            Act::Primitive(Fault::Heal { from, to }) => self.set_link(*from, *to, None)?,
            act if self.standing.contains_key(&act.node()) => self.strike_process(act, &mut struck)?,
            act => self.strike_here(act)?,
        }
        Ok(struck)
    }

    fn counted(&mut self) -> Result<Counted, String> {
        self.hear();
        let mut links = self.fleet().runtime().disturbances().map_err(told)?.links;
        let LinkCounts { sent, lost, cut, damaged, delayed, .. } =
            self.fleet().wires().map(crate::processes::Wires::counts).unwrap_or_default();
        (links.sent, links.lost, links.cut) = (links.sent + sent, links.lost + lost, links.cut + cut);
        (links.damaged, links.delayed) = (links.damaged + damaged, links.delayed + delayed);
        let rotten = |found: &Found| DiskCounts { reads_rotten: found.total(), ..DiskCounts::default() };
        let disks = self.found.iter().map(|(node, found)| (*node, rotten(found))).collect();
        Ok(Counted { links, disks, timers: Vec::new() })
    }

    fn in_force(&mut self) -> Result<Vec<String>, String> {
        let ruled = self.fleet().runtime().disturbances().map_err(told)?.ruled_links;
        let ruled = ruled.into_iter().chain(self.fleet().wires().map(|wires| wires.ruled()).unwrap_or_default());
        let name = |node: &NodeId| self.cast.names.name(*node);
        let links: Vec<String> = ruled.map(|(from, to)| format!("a rule on {} > {}", name(&from), name(&to))).collect();
        let standing = self.standing()?;
        let name = |node: &NodeId| self.cast.names.name(*node);
        let engine = self.cast.engine();
        let down = standing.iter().filter(|(node, standing)| engine.contains(node) && **standing != Standing::Up);
        let down = down.map(|(node, standing)| format!("{} is {standing:?}", name(node)));
        Ok(links.into_iter().chain(down).collect())
    }

    fn next_halt(&mut self) -> Option<(Nanos, NodeId, String)> {
        self.take_halts();
        self.halts.pop_front()
    }

    fn inside(&mut self) -> (&mut Host, &mut Console) {
        (&mut self.host, &mut self.console)
    }

    fn serves(&mut self) -> bool {
        matches!(self.glimpse(DATABASE), Some(Glimpse::Writer { status, .. }) if status.stage == "open")
    }

    fn observe(&mut self, subject: &mut dyn Subject, substance: &mut Substance) -> Result<(), String> {
        self.hear();
        for node in self.cast.engine().into_iter().chain(self.cast.successor) {
            let glimpse = match self.standing.contains_key(&node) {
                true => self.segments(node).map(|probe| Glimpse::Segments(Box::new(probe))),
                false => self.glimpse(node),
            };
            if let Some(glimpse) = glimpse {
                subject.glimpse(node, &glimpse, substance)?;
            }
        }
        Ok(())
    }

    fn unsettled(&mut self) -> Option<String> {
        self.hear();
        match self.glimpse(DATABASE) {
            Some(Glimpse::Writer { rest: Ok(rest), .. }) => {
                STORAGE.into_iter().find_map(|node| rest.unmet(node, self.segments(node).as_ref()))
            }
            Some(Glimpse::Writer { rest: Err(why), .. }) => Some(why),
            _ => Some("the database is down".to_owned()),
        }
    }

    fn audit(&mut self, _substance: &mut Substance) -> Result<(), String> {
        Ok(())
    }

    fn end(self) -> Result<u64, String> {
        let Host::Processes(fleet) = self.host else { unreachable!("processes") };
        let events = fleet.runtime().usage().map_err(told)?.nodes.iter().map(|node| node.events).sum();
        let (_, killed) = fleet.end().map_err(told)?;
        if !killed.is_empty() {
            return Err(format!("{} did not end when asked to", killed.join(", ")));
        }
        std::fs::remove_dir_all(&self.directory).map_err(|error| format!("{}: {error}", self.directory.display()))?;
        Ok(events)
    }
}
