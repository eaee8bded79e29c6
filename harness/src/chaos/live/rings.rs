//! The real runtime of this process as a stage: rings, files with O_DIRECT, in-process links, the wall clock.
//!
//! A kill drops a node's memory and keeps what the kernel was given, as SIGKILL does. A power cut is a kill after which the
//! node's files are what the runtime's journal says a power loss may leave. Rules on links and disks are carried out by the
//! runtime, damage is done to the files themselves.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::decoupled::topology::STORAGE;
use nemesis::{Act, Cast, DamageKind, EngineClass, WAIT_MAX};
use node::fault::{Ailment, Fault};
use node::{Member, Nanos, NodeId, Rng, Topology};
use uring::{Config, DiskImage, JournalConfig, PowerCut, Runtime, Standing, Survivors};

use super::stage::{Stage, Struck, told};
use crate::campaign::coupled::VOLUMES;
use crate::campaign::hits::{Counted, Met};
use crate::campaign::{Glimpse, Mailbox, Subject, Substance};
use crate::engines::DATABASE;
use crate::rig::{CONSOLE, Console, Host, Threads, placement};

/// The real runtime with an engine on it.
pub struct Rings {
    host: Host,
    console: Console,
    cast: Cast,
    directory: PathBuf,
    /// Nodes whose power was cut and that have not been given what is left yet.
    cuts: BTreeMap<NodeId, PowerCut>,
    /// Disks as they were when a script said to keep them.
    kept: BTreeMap<NodeId, DiskImage>,
    rng: Rng,
}

impl Rings {
    /// Starts the members, and a console, over `directory`, which must not exist. Every other seed spreads the zones over
    /// threads of their own.
    ///
    /// # Errors
    ///
    /// The runtime does not start.
    pub fn start(mut members: Vec<Member>, cast: Cast, directory: &Path, seed: u64) -> Result<Rings, String> {
        let (console, member) = Console::new(CONSOLE);
        members.push(member);
        if let Some(successor) = members.iter_mut().find(|member| Some(member.id) == cast.successor) {
            asleep_at_first(successor);
        }
        let topology = Topology { members };
        let mut config = Config::new(&topology, directory);
        config.placement = placement(&topology, if seed.is_multiple_of(2) { Threads::Shared } else { Threads::Zones });
        (config.seed, config.journal) = (seed, Some(JournalConfig::default()));
        let runtime = Runtime::start(topology, &config).map_err(told)?;
        if let Some(successor) = cast.successor {
            runtime.crash(successor).map_err(told)?;
        }
        Ok(Rings {
            host: Host::Real(Box::new(runtime)),
            console,
            cast,
            directory: directory.to_owned(),
            cuts: BTreeMap::new(),
            kept: BTreeMap::new(),
            rng: Rng::new(seed).fork("power", 0),
        })
    }

    /// What carries out disk operations, for records.
    pub fn backend(&self) -> &'static str {
        self.runtime().description().backend.name
    }

    fn runtime(&self) -> &Runtime {
        self.host.real().expect("a real host")
    }

    fn crash(&mut self, node: NodeId, power: bool, writing: Option<&str>) -> Result<Met, String> {
        let mut met = Met::default();
        if !power || !self.cast.with_disk.contains(&node) || self.cuts.contains_key(&node) {
            self.runtime().crash(node).map_err(told)?;
            return Ok(met);
        }
        let patience = Duration::from_nanos(WAIT_MAX.0);
        let cut = match writing {
            Some(files) => self.runtime().cut_power_writing(node, files, patience),
            None => self.runtime().cut_power(node),
        };
        let cut = cut.map_err(told)?;
        let undurable = self.runtime().undurable(&cut).map_err(told)?;
        met.undurable = undurable.completed + undurable.in_flight.len();
        met.in_flight = undurable.in_flight.iter().map(|name| name.as_str().to_owned()).collect();
        self.cuts.insert(node, cut);
        Ok(met)
    }

    /// Gives a node whose power was cut what is left of its disk.
    fn lose(&mut self, node: NodeId) -> Result<(), String> {
        let Some(cut) = self.cuts.remove(&node) else { return Ok(()) };
        let survivors = Survivors::Random { seed: self.rng.next_u64() };
        self.runtime().lose(&cut, survivors).map_err(told)
    }

    fn image(&mut self, node: NodeId) -> Result<DiskImage, String> {
        self.lose(node)?;
        self.runtime().disk_image(node).map_err(told)
    }

    fn put(&mut self, node: NodeId, image: DiskImage) -> Result<(), String> {
        self.lose(node)?;
        self.runtime().put_disk(node, image).map_err(told)
    }

    fn damage(&mut self, act: &Act) -> Result<Option<String>, String> {
        let Act::Damage { node, kind, files, place, sectors } = act else { return Ok(None) };
        let ailment = match kind {
            DamageKind::Rot => Ailment::Rotten,
            DamageKind::Unreadable => Ailment::Unreadable,
        };
        self.lose(*node)?;
        let files = if files == "any" { "" } else { files };
        let (place, seed) = ((*place, u64::from(*sectors)), self.rng.next_u64());
        let struck = self.runtime().ail(*node, files, place, ailment, seed).map_err(told)?;
        Ok(struck.map(|(file, sectors)| format!("{} sectors {sectors:?}", file.as_str())))
    }

    /// Looks at a node; `None` when it is down or has nothing to show.
    fn glimpse(&mut self, node: NodeId) -> Option<Glimpse> {
        self.host.probe(node, |node: &mut dyn Any| Glimpse::of(node)).ok().flatten()
    }

    /// The four copies hold the same, labels apart.
    fn copies_are_equal(&self, substance: &mut Substance) -> Result<(), String> {
        let files = |node: NodeId| {
            let image = self.runtime().disk_image(node).map_err(told)?;
            let files = image.files().iter().filter(|(name, _)| name.as_str() != "volume-label");
            Ok::<_, String>(files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect::<BTreeMap<_, _>>())
        };
        let [first, others @ ..] = VOLUMES;
        let right = files(first)?;
        for node in others {
            let copy = files(node)?;
            if let Some(name) = right.keys().chain(copy.keys()).find(|name| copy.get(*name) != right.get(*name)) {
                return Err(format!("{} differs between {node:?} and the writer's volume", name.as_str()));
            }
            substance.add("files compared with the writer's volume", right.len() as u64);
        }
        Ok(())
    }
}

/// Lets the first life of a node do nothing: it is not to start by itself.
pub(super) fn asleep_at_first(member: &mut Member) {
    let build = std::mem::replace(&mut member.build, Box::new(|_| unreachable!("replaced below")));
    member.build = Box::new(move |start| if start == 0 { Box::new(Mailbox::default()) } else { build(start) });
}

impl Stage for Rings {
    fn now(&self) -> Nanos {
        self.host.now()
    }

    fn rest(&mut self, span: Duration) {
        self.host.sleep(span);
    }

    fn cuts_power(&self) -> bool {
        true
    }

    fn carries(act: &Act) -> bool {
        match act {
            Act::Primitive(
                Fault::Crash { .. }
                | Fault::Restart { .. }
                | Fault::Pause { .. }
                | Fault::Resume { .. }
                | Fault::Link { .. }
                | Fault::Heal { .. }
                | Fault::Disk { .. }
                | Fault::DiskClear { .. },
            )
            | Act::CrashWriting { .. }
            | Act::CrashLosing { .. }
            | Act::Damage { .. }
            | Act::Wipe { .. }
            | Act::Keep { .. }
            | Act::Rollback { .. }
            | Act::Swap { .. } => true,
            // A clock that is told not to drift does not.
            Act::Primitive(Fault::Clock { drift_ppm, .. }) => *drift_ppm == 0,
            Act::RotAlike { .. } | Act::Crowd { .. } => false,
        }
    }

    fn standing(&mut self) -> Result<BTreeMap<NodeId, Standing>, String> {
        Ok(self.runtime().disturbances().map_err(told)?.standing)
    }

    fn strike(&mut self, act: &Act) -> Result<Struck, String> {
        let before = self.standing()?.get(&act.node()).copied();
        let mut struck = Struck::default();
        match act {
            Act::Primitive(Fault::Crash { node, power }) => struck.met = self.crash(*node, *power, None)?,
            Act::CrashWriting { node, files } => struck.met = self.crash(*node, true, Some(files))?,
            // What is not durable is known once the power is cut. While anything is being written, something is not.
            Act::CrashLosing { node, .. } => struck.met = self.crash(*node, true, Some(""))?,
            Act::Primitive(Fault::Restart { node }) => {
                self.lose(*node)?;
                self.runtime().restart(*node).map_err(told)?;
            }
            Act::Primitive(fault @ (Fault::Pause { .. } | Fault::Resume { .. })) => {
                match self.runtime().inject(fault) {
                    // It stopped by itself since it was looked at, which is told as a halt.
                    Ok(()) | Err(uring::Error::Down { .. } | uring::Error::Up { .. }) => {}
                    Err(error) => return Err(told(error)),
                }
            }
            Act::Primitive(fault) => self.runtime().inject(fault).map_err(told)?,
            Act::Damage { .. } => struck.place = self.damage(act)?,
            Act::Wipe { node } => {
                struck.met.held_data = !self.image(*node)?.is_empty();
                self.put(*node, DiskImage::default())?;
            }
            Act::Keep { node } => {
                let image = self.image(*node)?;
                self.kept.insert(*node, image);
            }
            Act::Rollback { node } => {
                if let Some(image) = self.kept.get(node).cloned() {
                    self.put(*node, image)?;
                }
            }
            Act::Swap { one, other } => {
                let (first, second) = (self.image(*one)?, self.image(*other)?);
                self.put(*one, second)?;
                self.put(*other, first)?;
            }
            Act::RotAlike { .. } | Act::Crowd { .. } => {
                return Err("the real runtime cannot do that: use the simulator".to_owned());
            }
        }
        struck.met.was_running = before == Some(Standing::Up);
        struck.met.was_up = matches!(before, Some(Standing::Up | Standing::Paused));
        Ok(struck)
    }

    fn counted(&mut self) -> Result<Counted, String> {
        let found = self.runtime().disturbances().map_err(told)?;
        Ok(Counted { links: found.links, disks: found.disks.into_iter().collect(), timers: Vec::new() })
    }

    fn in_force(&mut self) -> Result<Vec<String>, String> {
        let found = self.runtime().disturbances().map_err(told)?;
        let name = |node: &NodeId| self.cast.names.name(*node);
        let links = found.ruled_links.iter().map(|(from, to)| format!("a rule on {} > {}", name(from), name(to)));
        let disks = found.ruled_disks.iter().map(|node| format!("a rule on the disk of {}", name(node)));
        let down = found.standing.iter().filter(|(node, standing)| {
            **standing != Standing::Up && Some(**node) != self.cast.successor && **node != CONSOLE
        });
        let down = down.map(|(node, standing)| format!("{} is {standing:?}", name(node)));
        let cuts = self.cuts.keys().map(|node| format!("{} without what its power cut left", name(node)));
        Ok(links.chain(disks).chain(down).chain(cuts).collect())
    }

    fn next_halt(&mut self) -> Option<(Nanos, NodeId, String)> {
        let halt = self.runtime().halts().try_recv().ok()?;
        Some((halt.at, halt.node, halt.reason))
    }

    fn inside(&mut self) -> (&mut Host, &mut Console) {
        (&mut self.host, &mut self.console)
    }

    fn serves(&mut self) -> bool {
        match self.glimpse(DATABASE) {
            Some(Glimpse::Writer { status, .. }) => status.stage == "open",
            Some(Glimpse::Log { serves, .. }) => serves,
            _ => false,
        }
    }

    fn observe(&mut self, subject: &mut dyn Subject, substance: &mut Substance) -> Result<(), String> {
        let nodes = self.cast.engine().into_iter().chain(self.cast.successor);
        for node in nodes.collect::<Vec<_>>() {
            if let Some(glimpse) = self.glimpse(node) {
                subject.glimpse(node, &glimpse, substance)?;
            }
        }
        Ok(())
    }

    fn unsettled(&mut self) -> Option<String> {
        match (self.cast.class, self.glimpse(DATABASE)) {
            (EngineClass::Decoupled, Some(Glimpse::Writer { rest: Ok(rest), .. })) => {
                STORAGE.into_iter().find_map(|node| match self.glimpse(node) {
                    Some(Glimpse::Segments(probe)) => rest.unmet(node, Some(&probe)),
                    _ => rest.unmet(node, None),
                })
            }
            (EngineClass::Decoupled, Some(Glimpse::Writer { rest: Err(why), .. })) => Some(why),
            (EngineClass::Coupled, Some(Glimpse::Log { unrest, .. })) => unrest,
            (EngineClass::Mirrored, Some(Glimpse::Log { unrest: Some(why), .. })) => Some(why),
            (EngineClass::Mirrored, Some(Glimpse::Log { .. })) => {
                let missing =
                    VOLUMES.into_iter().find(|node| !matches!(self.glimpse(*node), Some(Glimpse::Volume(true))));
                missing.map(|node| format!("{node:?} does not serve"))
            }
            _ => Some("the database is down".to_owned()),
        }
    }

    fn audit(&mut self, substance: &mut Substance) -> Result<(), String> {
        match self.cast.class {
            EngineClass::Mirrored => self.copies_are_equal(substance),
            EngineClass::Coupled | EngineClass::Decoupled => Ok(()),
        }
    }

    fn end(self) -> Result<u64, String> {
        let Host::Real(runtime) = self.host else { unreachable!("a real host") };
        let stopped = runtime.stop().map_err(told)?;
        std::fs::remove_dir_all(&self.directory).map_err(|error| format!("{}: {error}", self.directory.display()))?;
        Ok(stopped.usage.nodes.iter().map(|node| node.events).sum())
    }
}
