//! The owner's side of faults beyond the primitives: power cuts, disks damaged or exchanged behind a node's back, and what of
//! all this is in force and what it did.
//!
//! # Mechanism
//!
//! A device loses nothing on demand. What power loss takes is worked out from the [`Journal`](crate::Journal): a cut of a
//! node's power is the kill of the node at a position of the journal ([`Runtime::cut_power`]), and before the node starts
//! again its directory is given what would be left ([`Runtime::lose`]). Damage to stored bytes is written into the files,
//! past the node, and kept in a table that reads and writes are held against.
//!
//! # Invariants
//!
//! - Files are exchanged only while their node is down and nothing of it is in flight.
//! - What is done to files is in the journal too: later power cuts start from it.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use bytes::Bytes;
use node::fault::{Ailing, Ailment, DiskCounts, LinkCounts};
use node::{Block, FileName, NodeId, Rng, SECTOR_BYTES};

use crate::disk::file::Directory;
use crate::error::Error;
use crate::journal::{Journal, Survivors, Undurable};
use crate::mail::Order;
use crate::runtime::Runtime;
use crate::sys;

/// Whether a node takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Up,
    /// They queue up.
    Paused,
    /// It stopped by itself.
    Halted,
    /// It crashed.
    Down,
}

/// What is in force on a runtime, and what it did so far.
#[derive(Clone, Debug, Default)]
pub struct Disturbances {
    /// How every node stands.
    pub standing: BTreeMap<NodeId, Standing>,
    /// Directions of links that follow a rule.
    pub ruled_links: Vec<(NodeId, NodeId)>,
    /// Nodes whose disks follow a rule.
    pub ruled_disks: Vec<NodeId>,
    /// What links did.
    pub links: LinkCounts,
    /// What disks did.
    pub disks: BTreeMap<NodeId, DiskCounts>,
}

impl Disturbances {
    pub(crate) fn add(&mut self, other: Disturbances) {
        self.standing.extend(other.standing);
        self.ruled_links.extend(other.ruled_links);
        self.ruled_disks.extend(other.ruled_disks);
        self.disks.extend(other.disks);
        let LinkCounts { sent, lost, cut, duplicated, damaged, delayed, overtaking, unreceived } = other.links;
        let links = &mut self.links;
        for (count, more) in [
            (&mut links.sent, sent),
            (&mut links.lost, lost),
            (&mut links.cut, cut),
            (&mut links.duplicated, duplicated),
            (&mut links.damaged, damaged),
            (&mut links.delayed, delayed),
            (&mut links.overtaking, overtaking),
            (&mut links.unreceived, unreceived),
        ] {
            *count += more;
        }
    }
}

/// A node whose power was cut, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// Who.
    pub node: NodeId,
    /// The position of the journal.
    at: usize,
    /// Whether it came while the write was on its way that it had to wait for.
    pub met_write: bool,
}

/// The files of a node's disk, and what ails them.
#[derive(Clone, Debug, Default)]
pub struct DiskImage {
    files: BTreeMap<FileName, Vec<u8>>,
    ailing: BTreeMap<FileName, Ailing>,
}

impl DiskImage {
    /// Whether any file holds anything.
    pub fn is_empty(&self) -> bool {
        self.files.values().all(Vec::is_empty)
    }

    /// The files.
    pub fn files(&self) -> &BTreeMap<FileName, Vec<u8>> {
        &self.files
    }
}

impl Runtime {
    /// What is in force, and what it did so far.
    ///
    /// # Errors
    ///
    /// A thread has ended, which only a defect of the runtime does.
    pub fn disturbances(&self) -> Result<Disturbances, Error> {
        let mut all = Disturbances::default();
        for (thread, inbox) in self.routes.inboxes.iter().enumerate() {
            let (done, answer) = channel();
            inbox.put(crate::mail::Mail::Order(Order::Disturbances { done }));
            all.add(answer.recv().map_err(|_| self.thread_ended(thread))?);
        }
        Ok(all)
    }

    /// Cuts a node's power. It is down from then on, and must be given what is left of its disk, by [`Runtime::lose`],
    /// before it starts again.
    ///
    /// # Errors
    ///
    /// The node is unknown, or there is no journal.
    pub fn cut_power(&self, node: NodeId) -> Result<PowerCut, Error> {
        self.journal_or_refuse()?;
        let (done, answer) = channel();
        self.order(node, Order::CutPower { node, writing: None, done })?;
        let at = answer.recv().map_err(|_| Error::ThreadEnded { node })??;
        Ok(PowerCut { node, at, met_write: false })
    }

    /// Cuts a node's power as soon as a write of it to a file whose name begins with `files` is on its way; if there is
    /// none within `patience`, then.
    ///
    /// # Errors
    ///
    /// As [`Runtime::cut_power`].
    pub fn cut_power_writing(&self, node: NodeId, files: &str, patience: Duration) -> Result<PowerCut, Error> {
        self.journal_or_refuse()?;
        let (done, answer) = channel();
        self.order(node, Order::CutPower { node, writing: Some(files.to_owned()), done })?;
        match answer.recv_timeout(patience) {
            Ok(at) => Ok(PowerCut { node, at: at?, met_write: true }),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.cut_power(node),
        }
    }

    /// What of the node's disk was not durable at the cut.
    ///
    /// # Errors
    ///
    /// There is no journal.
    pub fn undurable(&self, cut: &PowerCut) -> Result<Undurable, Error> {
        Ok(self.journal_or_refuse()?.undurable(cut.node, cut.at))
    }

    /// Gives the node's directory what the power cut left: everything durable, and of the rest a subset that `survivors`
    /// chooses. A node without a disk is left alone.
    ///
    /// # Errors
    ///
    /// The node is up, or its files cannot be written.
    pub fn lose(&self, cut: &PowerCut, survivors: Survivors) -> Result<(), Error> {
        let journal = self.journal_or_refuse()?;
        if self.directory(cut.node).is_none() {
            return Ok(());
        }
        self.await_idle(cut.node)?;
        let files = journal.left(cut.node, cut.at, survivors);
        let ailing = self.ailing(cut.node, None)?;
        self.write_disk(cut.node, DiskImage { files, ailing })
    }

    /// The node's disk as it is at this instant, everything that was asked of it included.
    ///
    /// # Errors
    ///
    /// There is no journal, or no such node.
    pub fn disk_image(&self, node: NodeId) -> Result<DiskImage, Error> {
        let journal = self.journal_or_refuse()?;
        let ailing = self.ailing(node, None)?;
        Ok(DiskImage { files: journal.left(node, journal.len(), Survivors::All), ailing })
    }

    /// Puts a disk in the place of that of a node that is down.
    ///
    /// # Errors
    ///
    /// The node is up or has no disk, or the files cannot be written.
    pub fn put_disk(&self, node: NodeId, image: DiskImage) -> Result<(), Error> {
        self.await_idle(node)?;
        self.write_disk(node, image)
    }

    /// Lets up to `count` neighbouring sectors ail that hold anything but zeroes, in files whose names begin with `files`,
    /// whether the node runs or not. `place`, in millionths of them, says where. Gives the file and the sectors; `None`
    /// when nothing is stored there.
    ///
    /// # Errors
    ///
    /// The node is unknown, or its files cannot be read or written.
    pub fn ail(
        &self,
        node: NodeId,
        files: &str,
        (place, count): (u32, u64),
        ailment: Ailment,
        seed: u64,
    ) -> Result<Option<(FileName, Vec<u64>)>, Error> {
        let Some(directory) = self.directory(node) else { return Ok(None) };
        let failed = |error| Error::io("damage", &directory.path, error);
        let stored = stored_sectors(&directory, files).map_err(failed)?;
        let at = (stored.len() as u64 * u64::from(place.min(999_999)) / 1_000_000) as usize;
        let Some((name, first)) = stored.get(at).cloned() else { return Ok(None) };
        let here = stored[at..].iter().filter(|(of, _)| *of == name).map(|(_, sector)| *sector);
        let struck: Vec<u64> = here.take_while(|sector| *sector < first + count.max(1)).collect();
        if ailment == Ailment::Rotten {
            let mut rng = Rng::new(seed).fork("rot", u64::from(node.0));
            for &sector in &struck {
                self.rot(node, &directory, &name, sector, &mut rng).map_err(failed)?;
            }
        }
        let (done, answer) = channel();
        self.order(node, Order::Ail { node, name: name.clone(), sectors: struck.clone(), ailment, done })?;
        answer.recv().map_err(|_| Error::ThreadEnded { node })??;
        Ok(Some((name, struck)))
    }

    /// Flips bits of one sector on the device.
    fn rot(
        &self,
        node: NodeId,
        directory: &Directory,
        name: &FileName,
        sector: u64,
        rng: &mut Rng,
    ) -> std::io::Result<()> {
        let file = match directory.open(name) {
            Ok((file, _)) => file,
            // The node runs, and removed it meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let (mut bytes, offset) = (Block::zeroed(SECTOR_BYTES), sector * SECTOR_BYTES as u64);
        sys::read_all_at(&file, &mut bytes, offset)?;
        for _ in 0..rng.between(1, 4) {
            bytes[rng.below(SECTOR_BYTES as u64) as usize] ^= 1 << rng.below(8);
        }
        sys::write_all_at(&file, &bytes, offset, true)?;
        if let Some(journal) = &self.journal {
            journal.rotted(node, name, offset, Bytes::copy_from_slice(&bytes));
        }
        Ok(())
    }

    fn write_disk(&self, node: NodeId, image: DiskImage) -> Result<(), Error> {
        let directory = self.directory(node).ok_or(Error::NoSuchNode { node })?;
        let written = write_files(&directory, &image.files);
        written.map_err(|error| Error::io("write", &directory.path, error))?;
        if let Some(journal) = &self.journal {
            journal.replaced(node, &image.files);
        }
        self.ailing(node, Some(image.ailing)).map(drop)
    }

    /// What ails the files of a node's disk, and what is to ail them from now on, if that is another disk.
    fn ailing(
        &self,
        node: NodeId,
        put: Option<BTreeMap<FileName, Ailing>>,
    ) -> Result<BTreeMap<FileName, Ailing>, Error> {
        let (done, answer) = channel();
        self.order(node, Order::Ailing { node, put, done })?;
        answer.recv().map_err(|_| Error::ThreadEnded { node })
    }

    /// Waits until nothing of a node that is down is in flight.
    fn await_idle(&self, node: NodeId) -> Result<(), Error> {
        self.ask(node, |done| Order::AwaitIdle { node, done })
    }

    fn journal_or_refuse(&self) -> Result<&Journal, Error> {
        self.journal.as_deref().ok_or(Error::PowerLoss)
    }

    fn directory(&self, node: NodeId) -> Option<Directory> {
        let report = self.description.disks.iter().find(|disk| disk.node == node)?;
        Some(Directory { path: report.directory.clone(), direct: report.direct })
    }
}

/// The sectors that hold anything but zeroes in files whose names begin with `files`, in order of name.
fn stored_sectors(directory: &Directory, files: &str) -> std::io::Result<Vec<(FileName, u64)>> {
    let mut stored = Vec::new();
    for (name, len_bytes) in directory.list()?.into_iter().filter(|(name, _)| name.as_str().starts_with(files)) {
        let file = match directory.open(&name) {
            Ok((file, _)) => file,
            // The node runs, and removed it meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let len_bytes = len_bytes as usize / SECTOR_BYTES * SECTOR_BYTES;
        if len_bytes == 0 {
            continue;
        }
        let mut bytes = Block::zeroed(len_bytes);
        sys::read_all_at(&file, &mut bytes, 0)?;
        let full =
            bytes.chunks_exact(SECTOR_BYTES).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        stored.extend(full.map(|(sector, _)| (name.clone(), sector as u64)));
    }
    Ok(stored)
}

/// Gives the directory these files and no others.
fn write_files(directory: &Directory, files: &BTreeMap<FileName, Vec<u8>>) -> std::io::Result<()> {
    for (name, _) in directory.list()? {
        directory.remove(&name)?;
    }
    for (name, bytes) in files {
        let file = std::fs::File::create(directory.path.join(name.as_str()))?;
        sys::write_all_at(&file, bytes, 0, false)?;
        file.sync_all()?;
    }
    std::fs::File::open(&directory.path)?.sync_all()
}
