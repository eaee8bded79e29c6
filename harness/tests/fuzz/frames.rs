//! Frames: damaged ones are refused by their checksum, and what lies behind a right one is read or refused.

use bytes::Bytes;
use coupled::mirror::{Callee, Caller};
use decoupled::message::{PEER, Peer, TO_STORAGE, TO_WRITER, ToStorage, ToWriter, Wire};
use node::{Effects, Frame, FrameKind, Nanos, NodeId, Rng, TimerId};

use crate::worlds::{at_work, subjects};
use crate::{case, cases, mutate};

const CASES: u64 = 20_000;

/// Reads a frame's body with the reader of its kind; what is read must survive being written. Whether it was accepted.
fn read(frame: &Frame) -> bool {
    let body = || Bytes::copy_from_slice(frame.body());
    match frame.kind() {
        FrameKind(contract::REQUEST_KIND) => contract::codec::decode_request(&body()).is_ok(),
        FrameKind(contract::RESPONSE_KIND) => contract::codec::decode_response(&body()).is_ok(),
        TO_STORAGE => comes_out_again::<ToStorage>(frame),
        TO_WRITER => comes_out_again::<ToWriter>(frame),
        PEER => comes_out_again::<Peer>(frame),
        _ => mirror(frame),
    }
}

fn comes_out_again<T: Wire>(frame: &Frame) -> bool {
    let Ok(message) = T::from_frame(frame) else { return false };
    let again = message.frame(frame.kind());
    assert_eq!(again.bytes(), frame.bytes(), "a message is written as it was read");
    true
}

/// Both ends of a session between block servers. They keep to themselves what they make of a frame.
fn mirror(frame: &Frame) -> bool {
    let (here, there) = (NodeId(1), NodeId(2));
    let mut out = Effects::new();
    let mut callee = Callee::new(vec![there], Rng::new(1));
    let mut caller = Caller::new(there, TimerId::new(0, 1), Nanos::from_millis(1), Rng::new(2));
    let called = callee.frame(there, frame, |io| io, &mut out).is_some();
    let answered = caller.frame(Nanos::ZERO, frame, &mut out).is_some();
    assert!(callee.frame(here, frame, |io| io, &mut out).is_none(), "a stranger calls nobody");
    called || answered
}

#[test]
fn a_damaged_frame_is_refused_and_a_body_behind_a_right_checksum_is_read_or_refused() {
    let said: Vec<Frame> =
        subjects().iter_mut().flat_map(|subject| at_work(subject.as_mut(), 1).2).flat_map(|kind| kind.1).collect();
    let kinds: std::collections::BTreeSet<u16> = said.iter().map(|frame| frame.kind().0).collect();
    let (mut refused, mut accepted, mut unchanged) = (0u64, 0u64, 0u64);
    for number in cases(CASES) {
        case(number, || {
            let mut rng = Rng::new(number);
            let original = &said[rng.below(said.len() as u64) as usize];

            let mut raw = original.bytes().to_vec();
            mutate::bytes(&mut rng, &mut raw);
            match Frame::verify(Bytes::from(raw)) {
                Ok(frame) => {
                    assert_eq!(&frame, original, "only what was not changed passes for whole");
                    unchanged += 1;
                }
                Err(_) => refused += 1,
            }

            let mut body = original.body().to_vec();
            mutate::bytes(&mut rng, &mut body);
            let sealed = Frame::encode(original.kind(), body.len(), |out| out.extend_from_slice(&body));
            accepted += u64::from(read(&sealed));
        });
    }
    let tried = cases(CASES).count() as u64;
    println!(
        "{tried} frames of {} kinds: {refused} refused, {unchanged} unchanged; {accepted} bodies read",
        kinds.len()
    );
    assert!(kinds.len() >= 9, "{kinds:x?}");
    assert!(refused > tried / 2 && accepted > tried / 50 && accepted < tried, "{refused}, {accepted} of {tried}");
}
