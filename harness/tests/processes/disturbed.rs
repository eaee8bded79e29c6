//! Processes killed, stopped and cut off while a bench commits to them.

use crate::nodes::{Nodes, ZONE_B, ZONE_C, list};
use crate::process::workplace;
use crate::proxy::Proxy;
use crate::{acknowledges_more, at_work, interrupt, verify};

#[test]
fn a_node_killed_and_started_again() {
    let place = workplace();
    let mut nodes = Nodes::start(place.path());
    let mut bench = at_work(place.path(), &nodes.list());
    for index in [2, 0] {
        nodes.kill(index);
        acknowledges_more(&mut bench, place.path());
        nodes.restart(index);
        acknowledges_more(&mut bench, place.path());
    }
    interrupt(bench);
    verify(place.path(), &nodes.list());
    nodes.end();
}

#[test]
fn a_node_that_stands_still_and_goes_on() {
    let place = workplace();
    let nodes = Nodes::start(place.path());
    let mut bench = at_work(place.path(), &nodes.list());
    for index in [5, 1] {
        nodes.signal(index, "STOP");
        acknowledges_more(&mut bench, place.path());
        nodes.signal(index, "CONT");
        acknowledges_more(&mut bench, place.path());
    }
    interrupt(bench);
    verify(place.path(), &nodes.list());
    nodes.end();
}

/// The zone that returned must have caught up: without it there would not be four when the next one goes.
#[test]
fn a_zone_killed_and_started_again_carries_the_loss_of_another() {
    let place = workplace();
    let mut nodes = Nodes::start(place.path());
    let mut bench = at_work(place.path(), &nodes.list());
    for zone in [ZONE_B, ZONE_C] {
        zone.iter().for_each(|index| drop(nodes.kill(*index)));
        acknowledges_more(&mut bench, place.path());
        zone.iter().for_each(|index| nodes.restart(*index));
        acknowledges_more(&mut bench, place.path());
    }
    ZONE_B.iter().for_each(|index| drop(nodes.kill(*index)));
    acknowledges_more(&mut bench, place.path());
    interrupt(bench);
    verify(place.path(), &nodes.list());
    nodes.end();
}

#[test]
fn a_zone_and_one_more_lost_until_the_one_returns() {
    let place = workplace();
    let mut nodes = Nodes::start(place.path());
    let mut bench = at_work(place.path(), &nodes.list());
    [1, 2, 3].iter().for_each(|index| drop(nodes.kill(*index)));
    nodes.restart(1);
    acknowledges_more(&mut bench, place.path());
    interrupt(bench);
    verify(place.path(), &nodes.list());
    nodes.end();
}

#[test]
fn the_database_process_killed_at_work() {
    let place = workplace();
    let nodes = Nodes::start(place.path());
    let bench = at_work(place.path(), &nodes.list());
    bench.kill();
    verify(place.path(), &nodes.list());
    nodes.end();
}

#[test]
fn connections_cut_again_and_again_and_bits_flipped_on_the_way() {
    let place = workplace();
    let mut nodes = Nodes::start(place.path());
    let wires: Vec<Proxy> = nodes.addresses.iter().map(|address| Proxy::before(*address)).collect();
    let addresses = list(&wires.iter().map(|wire| wire.address).collect::<Vec<_>>());
    let mut bench = at_work(place.path(), &addresses);
    for _ in 0..3 {
        let cut: usize = wires.iter().map(Proxy::cut).sum();
        assert!(cut >= wires.len(), "each node had a connection to cut, not {cut}");
        acknowledges_more(&mut bench, place.path());
    }
    for (index, wire) in wires.iter().enumerate() {
        wire.damage();
        nodes.hear(index, "1 damaged frames");
        acknowledges_more(&mut bench, place.path());
    }
    interrupt(bench);
    verify(place.path(), &addresses);
    nodes.end();
}
