//! Small real nodes and topologies for the runtime's tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::BufMut;
use node::{
    Digest, Effects, Event, FileName, Frame, FrameKind, IoClass, Member, Nanos, Node, NodeId, Role, Topology, Zone,
};
use tempfile::TempDir;
use uring::{Backend, Config};

/// What an acting node does with an event.
pub type Act<S> = Box<dyn FnMut(&mut S, Nanos, Event, &mut Effects) + Send>;

/// A node that is a state and a closure.
pub struct Acting<S> {
    pub state: S,
    act: Act<S>,
}

impl<S: Send + 'static> Node for Acting<S> {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        (self.act)(&mut self.state, now, event, out);
    }

    fn digest(&self, _digest: &mut Digest) {}
}

/// A boxed acting node.
pub fn acting<S: Send + 'static>(
    state: S,
    act: impl FnMut(&mut S, Nanos, Event, &mut Effects) + Send + 'static,
) -> Box<dyn Node> {
    Box::new(Acting { state, act: Box::new(act) })
}

/// A member with a disk, in zone A.
pub fn member(id: u32, build: impl Fn(u64) -> Box<dyn Node> + Send + 'static) -> Member {
    Member {
        id: NodeId(id),
        name: format!("node-{id}"),
        role: Role::Storage,
        zone: Zone::A,
        has_disk: true,
        build: Box::new(build),
    }
}

/// The same without a disk, in another zone.
pub fn diskless(id: u32, zone: Zone, build: impl Fn(u64) -> Box<dyn Node> + Send + 'static) -> Member {
    Member { zone, has_disk: false, ..member(id, build) }
}

pub fn topology(members: Vec<Member>) -> Topology {
    Topology { members }
}

/// A data directory on the device the build is on, never a RAM disk.
pub fn data_dir() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory under the target directory")
}

/// A frame of kind 1 carrying one number.
pub fn number_frame(number: u64) -> Frame {
    Frame::encode(FrameKind(1), 8, |body| body.put_u64_le(number))
}

pub fn number_of(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.body()[..8].try_into().expect("eight bytes"))
}

pub fn name(text: &str) -> FileName {
    FileName::new(text)
}

pub const CLASS: IoClass = IoClass::Control;

/// The next report of a node; a run that hangs fails here instead of hanging the suite.
pub fn next<T>(reports: &Receiver<T>) -> T {
    match reports.recv_timeout(Duration::from_secs(60)) {
        Ok(report) => report,
        Err(RecvTimeoutError::Timeout) => panic!("no report within a minute"),
        Err(RecvTimeoutError::Disconnected) => panic!("the nodes are gone without a report"),
    }
}

/// Every disk backend this machine has, with O_DIRECT and without.
pub fn backends() -> Vec<(Backend, bool)> {
    vec![(Backend::Auto, true), (Backend::Auto, false), (Backend::ThreadPool, true), (Backend::ThreadPool, false)]
}

/// A configuration over a fresh directory of `dir`.
pub fn config(topology: &Topology, dir: &TempDir, case: &str) -> Config {
    let path: PathBuf = dir.path().join(case);
    Config::new(topology, path)
}
