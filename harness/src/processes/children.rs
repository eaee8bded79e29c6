//! Processes of this one's own, one for each storage node.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use uring::process::{Signal, await_end, signal};

use super::serve::HALTED;
use crate::exit::Failure;

/// Children that are asked to end get this long, and are then killed.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How to start each of them.
#[derive(Clone, Debug)]
pub struct Program {
    /// The binary.
    pub path: PathBuf,
    /// What all of them are told.
    pub arguments: Vec<String>,
    /// The file that takes what they say on standard error; this process's own when absent.
    pub words: Option<PathBuf>,
}

impl Program {
    /// Where to look for what a process that did not come up has said.
    fn last_words(&self) -> String {
        let said = self.words.as_ref().map(|path| std::fs::read_to_string(path).unwrap_or_default());
        said.map_or_else(
            || "its own words are above".to_owned(),
            |said| said.lines().last().unwrap_or("without a word").to_owned(),
        )
    }
}

/// Where each of them listens, and where it is reached: the same, or what passes connections on to it.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Where they listen.
    pub listening: Vec<SocketAddr>,
    /// Where all of them are told that they are reached.
    pub reached: Vec<SocketAddr>,
}

/// The children. Dropping them kills them.
#[derive(Debug)]
pub struct Children {
    program: Program,
    addresses: Addresses,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    data_dir: PathBuf,
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl Children {
    /// Starts one process for each of `nodes`, given by name and data directory, and waits until each listens.
    ///
    /// # Errors
    ///
    /// A process cannot be started or does not come up; none is left then.
    pub fn start(program: Program, nodes: Vec<(String, PathBuf)>, addresses: Addresses) -> Result<Children, Failure> {
        let slot = |(name, data_dir)| Slot { name, data_dir, running: None };
        let mut children = Children { program, addresses, slots: nodes.into_iter().map(slot).collect() };
        // All at once, then each in turn: a start takes as long as a disk makes it.
        (0..children.slots.len()).try_for_each(|index| children.spawn(index))?;
        (0..children.slots.len()).try_for_each(|index| children.wait_until_listening(index))?;
        Ok(children)
    }

    fn spawn(&mut self, index: usize) -> Result<(), Failure> {
        let reached: Vec<String> = self.addresses.reached.iter().map(SocketAddr::to_string).collect();
        let slot = &mut self.slots[index];
        let mut command = Command::new(&self.program.path);
        command.arg("node").args(["--member", &slot.name, "--nodes", &reached.join(",")]);
        command.args(["--listen", &self.addresses.listening[index].to_string()]);
        command.arg("--data-dir").arg(&slot.data_dir).args(&self.program.arguments);
        command.args(["--parent", &std::process::id().to_string()]);
        // A group of its own: Ctrl-C at the terminal is for the parent, which then ends its children in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(path) = &self.program.words {
            let file = OpenOptions::new().create(true).append(true).open(path);
            command.stderr(file.map_err(|error| Failure::io(format!("{}: {error}", path.display())))?);
        }
        let mut child =
            command.spawn().map_err(|error| Failure::io(format!("the process of {}: {error}", slot.name)))?;
        let says = child.stdout.take().expect("piped");
        slot.running = Some((child, BufReader::new(says)));
        Ok(())
    }

    fn wait_until_listening(&mut self, index: usize) -> Result<(), Failure> {
        let Slot { name, running, .. } = &mut self.slots[index];
        let Some((child, says)) = running else { return Ok(()) };
        let mut line = String::new();
        let read = says.read_line(&mut line);
        if read.is_ok() && line.contains("listening on") {
            return Ok(());
        }
        let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        *running = None;
        let words = self.program.last_words();
        Err(Failure::io(format!("the process of {name} did not come up: {status}; {words}")))
    }

    /// Where the files of one lie.
    pub fn disk_directory(&self, index: usize) -> PathBuf {
        let slot = &self.slots[index];
        slot.data_dir.join(&slot.name)
    }

    /// Kills one, at once and wherever it is.
    pub fn kill(&mut self, index: usize) {
        if let Some((mut child, _)) = self.slots[index].running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts one again, in its old place.
    ///
    /// # Errors
    ///
    /// It does not come up.
    pub fn restart(&mut self, index: usize) -> Result<(), Failure> {
        self.kill(index);
        self.spawn(index)?;
        self.wait_until_listening(index)
    }

    /// Has one stand still, or go on.
    ///
    /// # Errors
    ///
    /// It is not running.
    pub fn signal(&mut self, index: usize, told: Signal) -> Result<(), Failure> {
        let slot = &mut self.slots[index];
        let sent = slot.running.as_mut().is_some_and(|(child, _)| signal(child, told).unwrap_or(false));
        if sent { Ok(()) } else { Err(Failure::unknown(format!("the process of {} is not running", slot.name))) }
    }

    /// The next one that ended without being told to, with the reason it gave, or how it ended.
    pub fn ended(&mut self) -> Option<(usize, String)> {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let status = slot.running.as_mut().map(|(child, _)| child.try_wait());
            if let Some(Ok(Some(status))) = status
                && let Some((_, mut says)) = slot.running.take()
            {
                let mut last = String::new();
                // What cannot be read was not said.
                let _ = says.read_to_string(&mut last);
                let reason = last.lines().find_map(|line| line.split_once(HALTED).map(|(_, reason)| reason.to_owned()));
                return Some((index, reason.unwrap_or_else(|| format!("its process ended: {status}"))));
            }
        }
        None
    }

    /// What the last one that said anything on standard error said, or where to look for it.
    pub fn last_words(&self) -> String {
        self.program.last_words()
    }

    /// The process of one that runs, by the system's number.
    pub fn process(&self, index: usize) -> Option<u32> {
        self.slots[index].running.as_ref().map(|(child, _)| child.id())
    }

    /// Asks all to end, waits for each, and kills whom waiting does not help. Gives the names of those.
    pub fn end(mut self) -> Vec<String> {
        for (child, _) in self.slots.iter_mut().filter_map(|slot| slot.running.as_mut()) {
            // One that stands still hears nothing; one that has ended needs to hear nothing.
            let _ = signal(child, Signal::Continue);
            let _ = signal(child, Signal::Terminate);
        }
        let give_up = Instant::now() + END_PATIENCE;
        loop {
            let running = self.slots.iter_mut().filter_map(|slot| slot.running.as_mut()).map(|(child, _)| child);
            let mut at_work: Vec<&mut Child> =
                running.filter_map(|child| matches!(child.try_wait(), Ok(None)).then_some(child)).collect();
            let left = give_up.saturating_duration_since(Instant::now());
            // Where nobody can be waited for, nobody is.
            if at_work.is_empty() || !await_end(&mut at_work, left).unwrap_or(false) {
                break;
            }
        }
        let is_at_work = |slot: &mut Slot| {
            let (child, _) = slot.running.as_mut()?;
            matches!(child.try_wait(), Ok(None)).then(|| slot.name.clone())
        };
        self.slots.iter_mut().filter_map(is_at_work).collect()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        (0..self.slots.len()).for_each(|index| self.kill(index));
    }
}

/// Listeners on a loopback network of this process's own, so that nobody takes an address while its node is down; on another
/// one for each of the three fleets started last.
pub(super) fn own_listeners(count: usize) -> std::io::Result<Vec<TcpListener>> {
    static FLEETS: AtomicU8 = AtomicU8::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let network = FLEETS.fetch_add(1, Ordering::Relaxed) % 3 + 1;
    let own = Ipv4Addr::new(127, network << 6 | (high & 63), middle, low);
    (0..count).map(|_| TcpListener::bind((own, 0))).collect()
}
