//! What a node's process refuses: strangers, other volumes, frames that are none; and what the command line refuses.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use decoupled::message::{TO_STORAGE, ToStorage, ToWriter, Wire};
use decoupled::{Epoch, TruncationTable, VolumeId};
use node::frame::{BODY_BYTES_MAX, HEADER_BYTES};
use node::{Frame, NodeId};
use uring::{Hello, PROTOCOL_VERSION, REFUSED, WELCOME};

use crate::nodes::{NAMES, Nodes, addresses, list};
use crate::process::{expect, workplace};
use crate::{at_work, interrupt, verify};

const DATABASE: NodeId = NodeId(1);
const FIRST_NODE: NodeId = NodeId(2);

fn volume() -> u64 {
    harness::engines::storage_nodes(1).expect("a volume").0.0
}

fn hello() -> Hello {
    Hello { version: PROTOCOL_VERSION, volume: volume(), from: DATABASE, to: FIRST_NODE }
}

/// Says something, and waits until it is hung up on.
fn say(mut to: TcpStream, bytes: &[u8]) {
    // It may be hung up on before all of it is taken.
    let _ = to.write_all(bytes);
    let _ = to.read_to_end(&mut Vec::new());
}

/// Opens a connection with `hello`, and expects an answer of this kind.
fn greet(address: SocketAddr, hello: Hello, answer: node::FrameKind) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(hello.frame().bytes()).expect("taken");
    assert_eq!(hear(&mut stream).kind(), answer, "{hello:?}");
    stream
}

fn hear(stream: &mut TcpStream) -> Frame {
    let mut bytes = vec![0; HEADER_BYTES];
    stream.read_exact(&mut bytes).expect("an answer");
    let len = Frame::announced_body_bytes(&bytes).expect("a frame");
    bytes.resize(HEADER_BYTES + len, 0);
    stream.read_exact(&mut bytes[HEADER_BYTES..]).expect("all of it");
    Frame::verify(bytes.into()).expect("whole")
}

/// The epoch that the next answer of a node is about, if it says anything soon; a node that is opening says nothing. An epoch
/// that another has followed before its promise was durable is refused.
fn answered(stream: &mut TcpStream) -> Option<Epoch> {
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    stream.peek(&mut [0]).ok()?;
    stream.set_read_timeout(None).expect("no timeout");
    let frame = hear(stream);
    match ToWriter::from_frame(&frame).expect("a message") {
        ToWriter::Promise { epoch, .. } => Some(epoch),
        ToWriter::Refused { epoch, promised, .. } if epoch < promised => Some(epoch),
        other => panic!("{other:?} to a question for a promise"),
    }
}

/// Every file of a node, with what is in it.
fn contents(place: &Path, node: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(place.join("nodes").join(node)).expect("the node's directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

#[test]
fn nothing_of_what_strangers_say_is_persisted_and_the_nodes_live_on() {
    let place = workplace();
    let mut nodes = Nodes::none(place.path());
    nodes.restart(0);
    let address = nodes.addresses[0];
    let mut epoch = Epoch { number: 1, owner: 1 };
    let prepare =
        |volume, epoch| ToStorage::Prepare { volume, epoch, table: TruncationTable::default() }.frame(TO_STORAGE);
    // Before anybody has spoken to it a node that is open answers nothing: it is open when it keeps a promise. It persists each
    // that it is asked for, and makes an extent of its log ahead: its files stand still when the last promise is kept and the
    // extent has its name.
    let before = {
        let mut stream = greet(address, hello(), WELCOME);
        loop {
            stream.write_all(prepare(VolumeId(volume()), epoch).bytes()).expect("taken");
            let mut answer = answered(&mut stream);
            while answer.is_some_and(|about| about < epoch) {
                answer = answered(&mut stream);
            }
            if answer.is_some() {
                break;
            }
            epoch.number += 1;
        }
        let extent = place.path().join("nodes").join(NAMES[0]).join("log-00000000");
        assert!(nodes.wait_until(0, || extent.exists()), "it makes an extent");
        contents(place.path(), NAMES[0])
    };

    say(TcpStream::connect(address).expect("it listens"), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    nodes.hear(0, "1 strangers");
    greet(address, Hello { version: PROTOCOL_VERSION + 1, ..hello() }, REFUSED);
    nodes.hear(0, "1 other versions");
    greet(address, Hello { volume: volume() + 1, ..hello() }, REFUSED);
    nodes.hear(0, "1 other volumes");
    greet(address, Hello { from: NodeId(77), ..hello() }, REFUSED);
    nodes.hear(0, "1 unknown nodes");
    // Well-formed in every respect, but of another volume: the node itself refuses it.
    let foreign = prepare(VolumeId(volume() + 1), epoch);
    let mut oversized = prepare(VolumeId(volume()), epoch).bytes().to_vec();
    oversized[8..12].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
    let mut damaged = prepare(VolumeId(volume()), epoch).bytes().to_vec();
    damaged[HEADER_BYTES + 1] ^= 0x04;
    let mut stream = greet(address, hello(), WELCOME);
    stream.write_all(foreign.bytes()).expect("taken");
    say(stream, &oversized);
    nodes.hear(0, "1 oversized frames");
    say(greet(address, hello(), WELCOME), &damaged);
    nodes.hear(0, "1 damaged frames");

    let after = contents(place.path(), NAMES[0]);
    assert!(after.keys().eq(before.keys()), "other files: {:?} {:?}", before.keys(), after.keys());
    for (path, bytes) in &after {
        let differs = bytes.iter().zip(&before[path]).position(|(after, before)| after != before);
        assert_eq!((differs, bytes.len()), (None, before[path].len()), "{} changed", path.display());
    }
    (1..NAMES.len()).for_each(|index| nodes.restart(index));
    interrupt(at_work(place.path(), &nodes.list()));
    verify(place.path(), &nodes.list());
    nodes.end();
}

#[test]
fn a_bench_of_another_volume_is_told_so() {
    let place = workplace();
    let nodes = Nodes::start(place.path());
    let all = nodes.list();
    let mut arguments = crate::bench_of(&all, "200ms");
    arguments.extend(["--seed", "2"]);
    expect(place.path(), &arguments, 64, &["refuses", "is served there", "--seed"]);
    nodes.end();
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let place = workplace();
    let all = list(&addresses());
    let five = all.rsplit_once(',').expect("six").0.to_owned();
    let node = |member: &'static str, nodes: &str| -> Vec<String> {
        ["node", "--member", member, "--nodes", nodes, "--data-dir", "nodes"].map(str::to_owned).to_vec()
    };
    let bench = |engine: &str, nodes: &str| -> Vec<String> {
        ["bench", "--engine", engine, "--nodes", nodes, "--out", "runs", "--data-dir", "elsewhere"]
            .map(str::to_owned)
            .to_vec()
    };
    let cases = [
        (node("storage-d1", &all), 64, "storage-d1"),
        (node("storage-a1", &five), 64, "6 addresses"),
        (bench("decoupled", &five), 64, "6 addresses"),
        (bench("coupled", &all), 64, "coupled has no storage nodes"),
        (bench("decoupled", &all), 74, "no node answers"),
    ];
    for (arguments, code, about) in cases {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect(place.path(), &arguments, code, &[about]);
        let _ = fs::remove_dir_all(place.path().join("elsewhere"));
    }
    let mut parent: Vec<String> = node("storage-a1", &all);
    parent.extend(["--parent".to_owned(), "1".to_owned()]);
    let parent: Vec<&str> = parent.iter().map(String::as_str).collect();
    expect(place.path(), &parent, 64, &["--parent 1"]);

    let mut nodes = Nodes::none(place.path());
    nodes.restart(0);
    let mine = nodes.list();
    let again = ["node", "--member", NAMES[0], "--nodes", &mine, "--data-dir", "nodes"];
    expect(place.path(), &again, 74, &["in use"]);
    let beside = ["node", "--member", NAMES[1], "--nodes", &mine, "--data-dir", "nodes", "--listen"];
    let taken = nodes.addresses[0].to_string();
    expect(place.path(), &[&beside[..], &[&taken]].concat(), 74, &["cannot listen on", &taken]);
    nodes.end();
}
