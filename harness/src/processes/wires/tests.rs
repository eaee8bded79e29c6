//! Rules on real connections: what passes, what does not, and what an end of a rule lets go on.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use node::Delay;

use super::*;

const NEAR: NodeId = NodeId(3);
const FAR: NodeId = NodeId(5);
/// Longer than any test.
const FOREVER: Nanos = Nanos::from_secs(3600);

/// One wire, who listens behind it, and the two ends of a connection through it.
struct Connected {
    wires: Wires,
    listener: TcpListener,
    near: TcpStream,
    far: TcpStream,
}

fn hello() -> Frame {
    Hello { version: 1, volume: 7, from: NEAR, to: FAR }.frame()
}

fn wire() -> (Wires, TcpListener) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    (Wires::before(&[address], 1).expect("wires"), listener)
}

fn dial(wires: &Wires) -> TcpStream {
    let mut near = TcpStream::connect(wires.addresses[0]).expect("somebody listens");
    near.write_all(hello().bytes()).expect("sent");
    near
}

fn answer(listener: &TcpListener) -> TcpStream {
    let (mut far, _) = listener.accept().expect("a connection");
    assert_eq!(heard(&mut far, hello().bytes().len()), hello().bytes().to_vec());
    far
}

fn connected() -> Connected {
    let (wires, listener) = wire();
    let near = dial(&wires);
    let far = answer(&listener);
    Connected { wires, listener, near, far }
}

fn heard(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).expect("it arrives");
    bytes
}

/// Whether a connection ends without another byte. One that was reset did, too.
fn ends(stream: &mut TcpStream) -> bool {
    !matches!(stream.read(&mut [0; 16]), Ok(1..))
}

fn until(wires: &Wires, is_so: impl Fn(LinkCounts) -> bool) {
    while !is_so(wires.counts()) {
        std::thread::yield_now();
    }
}

#[test]
fn bytes_pass_both_ways_and_rules_of_other_pairs_do_not_matter() {
    let Connected { wires, mut near, mut far, .. } = connected();
    for (from, to) in [(NEAR, NodeId(6)), (NodeId(6), FAR)] {
        wires.set(from, to, Some(LinkRule { cut: true, ..LinkRule::default() }));
    }
    near.write_all(b"there").expect("sent");
    far.write_all(b"and back").expect("sent");
    assert_eq!((heard(&mut far, 5), heard(&mut near, 8)), (b"there".to_vec(), b"and back".to_vec()));
    assert_eq!(wires.counts(), LinkCounts::default());
    drop(wires);
    assert!(ends(&mut near) && ends(&mut far), "no connection outlives the wires");
}

#[test]
fn what_was_sent_into_a_cut_is_lost_with_its_connection_when_the_cut_ends() {
    let Connected { wires, listener, mut near, mut far } = connected();
    wires.set(NEAR, FAR, Some(LinkRule { cut: true, ..LinkRule::default() }));
    assert_eq!(wires.ruled(), [(NEAR, FAR)]);
    near.write_all(b"lost").expect("sent");
    until(&wires, |counts| counts.cut == 1);
    far.write_all(b"heard").expect("sent");
    assert_eq!(heard(&mut near, 5), b"heard", "the other direction is not cut");
    let mut late = dial(&wires);
    until(&wires, |counts| counts.cut == 2);
    wires.set(NEAR, FAR, None);
    assert!(ends(&mut far) && ends(&mut near) && ends(&mut late));
    assert_eq!(wires.ruled(), []);
    let (mut near, mut far) = (dial(&wires), answer(&listener));
    near.write_all(b"again").expect("sent");
    assert_eq!(heard(&mut far, 5), b"again");
}

#[test]
fn a_damaged_piece_differs_in_one_bit_and_a_lost_one_ends_its_connection() {
    let Connected { wires, mut near, mut far, .. } = connected();
    wires.set(NEAR, FAR, Some(LinkRule { corrupt: 1.0, ..LinkRule::default() }));
    near.write_all(b"redo").expect("sent");
    let came = heard(&mut far, 4);
    let flipped: u32 = came.iter().zip(b"redo").map(|(came, sent)| (came ^ sent).count_ones()).sum();
    assert_eq!((flipped, wires.counts().damaged), (1, 1));
    wires.set(NEAR, FAR, Some(LinkRule { loss: 1.0, ..LinkRule::default() }));
    near.write_all(b"lost").expect("sent");
    assert!(ends(&mut far) && ends(&mut near));
    assert_eq!(wires.counts().lost, 1);
}

#[test]
fn what_waits_passes_in_order_as_soon_as_nothing_holds_it_up() {
    let slow = [
        LinkRule { extra_delay: Some(Delay::Constant(FOREVER)), ..LinkRule::default() },
        LinkRule { bandwidth_bytes_per_s: Some(1), ..LinkRule::default() },
    ];
    for rule in slow {
        let Connected { wires, mut near, mut far, .. } = connected();
        wires.set(NEAR, FAR, Some(rule));
        for (number, text) in [b"one".as_slice(), b"two"].into_iter().enumerate() {
            near.write_all(text).expect("sent");
            until(&wires, |counts| counts.delayed == number as u64 + 1);
        }
        wires.set(NEAR, FAR, None);
        near.write_all(b"three").expect("sent");
        assert_eq!(heard(&mut far, 11), b"onetwothree", "{rule:?}");
    }
}

#[test]
fn who_opens_without_a_handshake_is_not_passed_on() {
    let (wires, listener) = wire();
    let mut stranger = TcpStream::connect(wires.addresses[0]).expect("somebody listens");
    stranger.write_all(&[b'x'; 4 * HEADER_BYTES]).expect("sent");
    assert!(ends(&mut stranger));
    let mut near = dial(&wires);
    let mut far = answer(&listener);
    near.write_all(b"first").expect("sent");
    assert_eq!(heard(&mut far, 5), b"first");
}
