//! What the coupled engine's disks hold: pages, copies of them, and what a promoted standby makes of its copy.

use std::collections::BTreeMap;

use ::coupled::ids::{LogId, LogKind};
use ::coupled::mirror::{Attachment, Label};
use ::coupled::topology::{COMPUTE, EBS_A1, EBS_A2, EBS_B1};
use ::coupled::wal::{BlockHeader, Layout};
use ::coupled::{Config, CoupledNode, Probe, VolumeNode};
use compute::{Lsn, Page, PageId};
use node::{Block, FileName, Nanos, NodeId};
use sim::{Sim, SimConfig, SimDisk, Stop, Survival};

use crate::campaign::{Substance, database};

/// The page file.
const PAGES: &str = "pages";
/// What volumes keep for themselves.
const LABEL: &str = "volume-label";
/// The longest a promoted standby may take to open.
const OPEN_WITHIN: Nanos = Nanos::from_secs(5);

/// The whole pages of a page file by number; torn and never written ones are left out.
fn whole_pages(disk: &SimDisk, page_bytes: usize) -> BTreeMap<PageId, Page> {
    let file = disk.contents(&FileName::new(PAGES)).unwrap_or_default();
    let pages = file.chunks_exact(page_bytes).enumerate().filter_map(|(number, bytes)| {
        let id = PageId(number as u64);
        Some((id, Page::open(Block::padded(bytes), id).ok()?))
    });
    pages.collect()
}

/// The highest LSN that a block of the log, as it lies on the disk, says was durable when it was written.
pub fn vouched(disk: &SimDisk, config: &Config) -> Lsn {
    let (layout, log) = (Layout::of(&config.log), LogId { volume: config.volume, kind: LogKind::Redo });
    let unit = layout.align_bytes as usize;
    let mut vouched = Lsn::ZERO;
    for segment in 0..layout.segments {
        let bytes = disk.contents(&FileName::new(format!("log-{segment:03}"))).unwrap_or_default();
        for at in (0..bytes.len()).step_by(unit) {
            let Ok((header, ..)) = BlockHeader::decode(&bytes[at..], log) else { continue };
            if layout.locate(header.position) == (segment, at as u64) {
                vouched = header.durable.max(vouched);
            }
        }
    }
    vouched
}

/// No page on disk is ahead of the durable log.
pub fn log_first(disk: &SimDisk, page_bytes: usize, durable: Lsn) -> Result<(), String> {
    let pages = whole_pages(disk, page_bytes);
    match pages.values().find(|page| page.lsn() > durable) {
        Some(page) => Err(format!(
            "page {} is on disk at LSN {}, and the log is durable up to {durable} only",
            page.id(),
            page.lsn()
        )),
        None => Ok(()),
    }
}

/// The pages on disk are those in memory, and trees. For a database at rest, with nothing dirty.
pub fn pages_are_whole(disk: &SimDisk, database: &CoupledNode, substance: &mut Substance) -> Result<(), String> {
    let stored = whole_pages(disk, database.config().page_bytes);
    for own in database.pool().pages() {
        match stored.get(&own.id()) {
            Some(page) if page.sealed() == own.sealed() => {}
            other => {
                let (page, memory, disk) = (own.id(), own.lsn(), other.map(Page::lsn));
                return Err(format!("page {page} is at LSN {memory} in memory and at {disk:?} on disk, and differs"));
            }
        }
    }
    substance.add("pages compared", stored.len() as u64);
    // Trees begin at page 0 and leave no page out.
    let dense: Vec<Page> =
        stored.into_values().enumerate().map_while(|(at, page)| (page.id().0 == at as u64).then_some(page)).collect();
    database::walk(&dense, substance)
}

/// Every volume holds what the writer's does, byte for byte; a file may go on there with zeroes, where the writer's volume was
/// stopped while it grew. For volumes at rest.
pub fn copies_are_equal(sim: &Sim, volumes: &[NodeId], substance: &mut Substance) -> Result<(), String> {
    let files = |id| {
        let disk = sim.disk(id).ok_or_else(|| format!("{id:?} has no disk"))?;
        let names = disk.list().into_iter().map(|(name, _)| name).filter(|name| name.as_str() != LABEL);
        Ok::<_, String>(names.map(|name| (name.clone(), disk.contents(&name))).collect::<BTreeMap<_, _>>())
    };
    let right = files(EBS_A1)?;
    for &id in volumes {
        let copy = files(id)?;
        if !copy.keys().eq(right.keys()) {
            return Err(format!("{id:?} has the files {:?}, the writer's volume {:?}", copy.keys(), right.keys()));
        }
        if let Some((name, _)) = right.iter().find(|(name, bytes)| !goes_on_with_zeroes(&copy[*name], bytes)) {
            return Err(format!("{} differs between {id:?} and the writer's volume", name.as_str()));
        }
        substance.add("files compared with the writer's volume", right.len() as u64);
    }
    Ok(())
}

/// Whether `copy` begins with all of `right`, and holds nothing else.
fn goes_on_with_zeroes(copy: &Option<Vec<u8>>, right: &Option<Vec<u8>>) -> bool {
    let (Some(copy), Some(right)) = (copy, right) else { return false };
    copy.split_at_checked(right.len()).is_some_and(|(same, more)| same == right && more.iter().all(|&byte| byte == 0))
}

/// Whether a volume of the writer's side says that it goes on alone. If the other has not heard of that, a start cannot tell it
/// from the image of an earlier time, and lets neither it nor the standby's side be heard against the first.
pub fn detachment_began(sim: &Sim) -> bool {
    let label = |id| sim.node::<VolumeNode>(id).and_then(VolumeNode::label);
    let alone = |label: Label| label.attachment == Attachment::Detached;
    [EBS_A1, EBS_A2].into_iter().filter_map(label).any(alone)
}

/// Whether the standby may take over by the labels that can be read now: its own, and that of the writer's volume while
/// that runs.
pub fn may_promote(sim: &Sim, config: &Config) -> bool {
    let serving = |id| sim.node::<VolumeNode>(id).filter(|volume| volume.is_serving());
    let Some(standby) = serving(EBS_B1) else { return false };
    let writer = serving(EBS_A1).and_then(VolumeNode::label);
    ::coupled::mirror::may_promote(standby.label(), writer, config.mirror.zone_loss).is_ok()
}

/// What the database is found to be when the writer's zone never returns: a database node is started on the standby's
/// volume as a power failure left it, which may be a state between two of its writes. `seed` chooses which.
///
/// # Errors
///
/// It does not open, or its trees are not whole.
pub fn promote(sim: &Sim, config: &Config, seed: u64, substance: &mut Substance) -> Result<Probe, String> {
    let mut disk = sim.disk(EBS_B1).ok_or("the standby's volume has no disk")?.clone();
    disk.set_rule(node::fault::DiskRule::default());
    disk.crash(true, Survival::Random(seed));
    let topology = ::coupled::local(config).map_err(|error| error.to_string())?;
    let mut promoted = Sim::new(topology, SimConfig::shuffled(seed));
    *promoted.disk_mut(COMPUTE).ok_or("a local database has a disk")? = disk;
    let open = |sim: &Sim| sim.node::<CoupledNode>(COMPUTE).is_some_and(CoupledNode::is_serving);
    if promoted.run_until(OPEN_WITHIN, open) != Stop::Reached {
        return Err(format!("a database on the standby's volume does not open; halts {:?}", promoted.halts()));
    }
    let database = promoted.node::<CoupledNode>(COMPUTE).ok_or("it has just opened")?;
    let probe = database.storage().probe().ok_or("it has just opened")?;
    let disk = promoted.disk(COMPUTE).ok_or("a local database has a disk")?;
    pages_are_whole(disk, database, substance)?;
    Ok(probe)
}
