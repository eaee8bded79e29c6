use node::fault::LinkRule;
use node::{Delay, Frame, FrameKind, LinkModel, LinkProfile, Nanos, NodeId, Zone};

use super::{LinkDelays, Links};
use crate::mail::Passage;

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

fn links(model: LinkModel) -> Links {
    let mut profile = LinkProfile::none();
    profile.between[0][1] = model;
    Links::new(profile, vec![Zone::A, Zone::B], vec![false; 2], 7)
}

fn send(links: &mut Links, times: usize) -> Vec<Passage> {
    let frame = Frame::encode(FrameKind(1), 100, |body| body.resize(16 + 100, 7));
    let mut arrived = Vec::new();
    for _ in 0..times {
        links.send(A, B, frame.bytes().clone(), Nanos(1000), |passage| arrived.push(passage));
    }
    arrived
}

#[test]
fn a_direct_link_passes_frames_on_at_once() {
    let arrived = send(&mut links(LinkModel::DIRECT), 3);
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|passage| passage.due == Nanos(1000)));
}

#[test]
fn a_narrow_link_sends_frames_one_after_the_other() {
    let model = LinkModel { delay: Delay::Constant(Nanos(500)), bandwidth_bytes_per_s: Some(1_000_000_000), loss: 0.0 };
    let arrived = send(&mut links(model), 3);
    let len = arrived[0].bytes.len() as u64;
    let due: Vec<u64> = arrived.iter().map(|passage| passage.due.0).collect();
    assert_eq!(due, [1500 + len, 1500 + 2 * len, 1500 + 3 * len]);
}

#[test]
fn a_rule_cuts_loses_doubles_and_damages_until_it_is_healed() {
    let mut links = links(LinkModel::DIRECT);
    links.set_rule(A, B, Some(LinkRule { cut: true, ..LinkRule::default() }));
    assert_eq!(send(&mut links, 10).len(), 0);
    links.set_rule(A, B, Some(LinkRule { loss: 0.5, ..LinkRule::default() }));
    assert!((400..600).contains(&send(&mut links, 1000).len()));
    links.set_rule(A, B, Some(LinkRule { duplicate: 1.0, corrupt: 1.0, ..LinkRule::default() }));
    let arrived = send(&mut links, 50);
    assert_eq!(arrived.len(), 100);
    assert!(arrived.iter().all(|passage| Frame::verify(passage.bytes.clone()).is_err()));
    links.set_rule(A, B, None);
    assert!(send(&mut links, 10).iter().all(|passage| Frame::verify(passage.bytes.clone()).is_ok()));
}

#[test]
fn delays_that_miss_their_median_are_named() {
    let mut delays = LinkDelays::default();
    for _ in 0..100 {
        delays.record(Zone::A, Zone::B, Nanos(1_000_000), Nanos(1_050_000));
        delays.record(Zone::A, Zone::C, Nanos(1_000_000), Nanos(1_300_000));
    }
    let mut sum = LinkDelays::default();
    sum.add(&delays);
    let off = sum.off_by_more_than(0.10);
    assert_eq!(off.len(), 1);
    assert_eq!((off[0].0, off[0].1), (Zone::A, Zone::C));
    assert_eq!(sum.between(Zone::A, Zone::B).expect("recorded").frames(), 100);
}
