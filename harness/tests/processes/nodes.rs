//! Six storage nodes, each a process that the test starts, kills and starts again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use crate::process::Running;

/// By member, two in each zone.
pub const NAMES: [&str; 6] = ["storage-a1", "storage-a2", "storage-b1", "storage-b2", "storage-c1", "storage-c2"];
/// The members of `az-b` and `az-c`.
pub const ZONE_B: [usize; 2] = [2, 3];
pub const ZONE_C: [usize; 2] = [4, 5];

/// The processes, over the directory `nodes` of one place.
pub struct Nodes<'a> {
    place: &'a Path,
    pub addresses: Vec<SocketAddr>,
    running: Vec<Option<Running>>,
}

impl<'a> Nodes<'a> {
    /// All six, listening.
    pub fn start(place: &'a Path) -> Nodes<'a> {
        let mut nodes = Nodes::none(place);
        (0..NAMES.len()).for_each(|index| nodes.launch(index));
        (0..NAMES.len()).for_each(|index| nodes.hear(index, "listening on"));
        nodes
    }

    /// None yet, but places for them.
    pub fn none(place: &'a Path) -> Nodes<'a> {
        Nodes { place, addresses: addresses(), running: NAMES.iter().map(|_| None).collect() }
    }

    fn launch(&mut self, index: usize) {
        let all = self.list();
        let arguments = ["node", "--member", NAMES[index], "--nodes", &all, "--data-dir", "nodes"];
        self.running[index] = Some(Running::start_aloud(self.place, &arguments));
    }

    /// Starts one again, until it listens.
    pub fn restart(&mut self, index: usize) {
        self.launch(index);
        self.hear(index, "listening on");
    }

    /// SIGKILL. Gives what it had said.
    pub fn kill(&mut self, index: usize) -> String {
        self.running[index].take().expect("it runs").kill()
    }

    pub fn signal(&self, index: usize, name: &str) {
        self.running[index].as_ref().expect("it runs").signal(name);
    }

    /// Waits until one has said `words`.
    pub fn hear(&mut self, index: usize, words: &str) {
        self.running[index].as_mut().expect("it runs").hear(words);
    }

    /// Waits until something is so, as long as one runs.
    pub fn wait_until(&mut self, index: usize, condition: impl FnMut() -> bool) -> bool {
        self.running[index].as_mut().expect("it runs").wait_until(condition)
    }

    /// Asks all that run to end, and expects that each does so in order.
    pub fn end(mut self) {
        for running in self.running.iter_mut().filter_map(Option::take) {
            running.signal("TERM");
            let (code, said) = running.end();
            assert_eq!(code, Some(0), "{said}");
        }
    }

    /// What `--nodes` takes.
    pub fn list(&self) -> String {
        list(&self.addresses)
    }
}

/// Addresses as `--nodes` takes them.
pub fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

/// Six addresses on a loopback network of this test process's own, so that nobody takes one while its node is down.
pub fn addresses() -> Vec<SocketAddr> {
    let [_, _, middle, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 32, middle, low);
    let listeners: Vec<_> = NAMES.iter().map(|_| TcpListener::bind((own, 0)).expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("bound")).collect()
}
