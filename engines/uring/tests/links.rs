//! Frames between real nodes: on one thread, across threads, over delayed, cut, lossy and damaging links.

mod nodes;

use std::sync::mpsc::{Sender, channel};

use node::fault::{Fault, LinkRule};
use node::{Delay, Effects, Event, LinkModel, Member, Nanos, NodeId, Zone};
use nodes::{CLASS, acting, config, data_dir, diskless, next, number_frame, number_of, topology};
use uring::{Placement, Runtime};

const PINGER: NodeId = NodeId(0);
const PONGER: NodeId = NodeId(1);

/// Sends number after number, each after the answer to the one before, and reports when `rounds` are done.
fn pinger(rounds: u64, done: Sender<u64>) -> Member {
    diskless(PINGER.0, Zone::A, move |_| {
        let done = done.clone();
        acting(0u64, move |round, _, event, out: &mut Effects| match event {
            Event::Start => out.send(PONGER, number_frame(0), CLASS),
            Event::Frame { from, frame } => {
                assert_eq!((from, number_of(&frame)), (PONGER, *round));
                *round += 1;
                if *round == rounds {
                    done.send(*round).expect("the test waits");
                } else {
                    out.send(PONGER, number_frame(*round), CLASS);
                }
            }
            other => panic!("unexpected {other:?}"),
        })
    })
}

fn ponger(zone: Zone) -> Member {
    diskless(PONGER.0, zone, |_| {
        acting((), |(), _, event, out: &mut Effects| {
            if let Event::Frame { from, frame } = event {
                out.send(from, frame, CLASS);
            }
        })
    })
}

#[test]
fn every_ping_is_answered_on_one_thread_and_on_two() {
    for threads in [vec![vec![PINGER, PONGER]], vec![vec![PINGER], vec![PONGER]]] {
        let (done, reports) = channel();
        let topology = topology(vec![pinger(5000, done), ponger(Zone::B)]);
        let dir = data_dir();
        let mut config = config(&topology, &dir, "data");
        config.placement = Placement { threads: threads.clone() };
        let runtime = Runtime::start(topology, &config).expect("starts");
        assert_eq!(next(&reports), 5000);
        let stopped = runtime.stop().expect("stops");
        for usage in &stopped.usage.nodes {
            assert_eq!(usage.ledger.class(CLASS).sends, 5000, "{:?} on {threads:?}", usage.node);
            assert_eq!(usage.ledger.class(CLASS).send_bytes, 5000 * number_frame(0).len_bytes() as u64);
        }
        assert_eq!(stopped.usage.threads.len(), threads.len());
        assert_eq!(stopped.usage.threads.iter().map(|thread| thread.events).sum::<u64>(), 2 + 10_000);
    }
}

#[test]
fn a_delayed_link_delays_every_frame_and_says_by_how_much() {
    let (done, reports) = channel();
    let topology = topology(vec![pinger(50, done), ponger(Zone::B)]);
    let dir = data_dir();
    let mut config = config(&topology, &dir, "data");
    let delay = Delay::Tailed { base: Nanos::from_micros(400), tail: Nanos::from_micros(100) };
    let model = LinkModel { delay, ..LinkModel::DIRECT };
    config.links.between[Zone::A as usize][Zone::B as usize] = model;
    config.links.between[Zone::B as usize][Zone::A as usize] = model;
    let runtime = Runtime::start(topology, &config).expect("starts");
    assert_eq!(next(&reports), 50);
    let at = runtime.now();
    let delays = runtime.stop().expect("stops").usage.delays;
    // A frame may be half the learnt lateness of a wakeup early, which is 100 µs at most.
    assert!(at >= Nanos::from_micros(300 * 100), "100 frames in a row took {at:?}");
    for (from, to) in [(Zone::A, Zone::B), (Zone::B, Zone::A)] {
        let record = delays.between(from, to).expect("delayed");
        assert_eq!(record.frames(), 50);
        assert!(record.intended_ns.min() >= 396_000, "two digits of 400 µs");
        assert!(record.realised_ns.min() >= 300_000);
    }
    assert!(delays.between(Zone::A, Zone::C).is_none());
}

/// Sends `count` numbers to the ponger at each order (a frame to itself does for one) and counts the answers.
fn burst(count: u64) -> Member {
    diskless(PINGER.0, Zone::A, move |_| {
        acting(0u64, move |answers, _, event, out: &mut Effects| match event {
            Event::Start => (0..count).for_each(|number| out.send(PONGER, number_frame(number), CLASS)),
            Event::Frame { .. } => *answers += 1,
            other => panic!("unexpected {other:?}"),
        })
    })
}

fn answers(runtime: &Runtime) -> u64 {
    runtime.probe(PINGER, |any| any.downcast_ref::<nodes::Acting<u64>>().expect("a burst").state).expect("up")
}

fn refused(runtime: &Runtime, node: NodeId) -> u64 {
    let ledgers = runtime.ledgers().expect("runs");
    ledgers.iter().find(|(id, _)| *id == node).expect("a node").1.frames_refused
}

/// Starts a burst with a rule in force from the beginning: the pinger is restarted under it.
fn burst_under(rule: LinkRule, count: u64, settled: impl Fn(&Runtime) -> bool) -> (u64, u64) {
    let topology = topology(vec![burst(count), ponger(Zone::A)]);
    let dir = data_dir();
    let mut config = config(&topology, &dir, "data");
    config.placement = Placement::single(&topology);
    let runtime = Runtime::start(topology, &config).expect("starts");
    while answers(&runtime) < count {}
    runtime.inject(&Fault::Link { from: PINGER, to: PONGER, rule }).expect("known nodes");
    runtime.crash(PINGER).expect("known");
    runtime.restart(PINGER).expect("down");
    while !settled(&runtime) {}
    (answers(&runtime), refused(&runtime, PONGER))
}

#[test]
fn damaged_frames_are_refused_and_counted() {
    let rule = LinkRule { corrupt: 1.0, ..LinkRule::default() };
    let (answered, refused) = burst_under(rule, 100, |runtime| refused(runtime, PONGER) == 100);
    assert_eq!((answered, refused), (0, 100));
}

#[test]
fn doubled_frames_arrive_twice() {
    let rule = LinkRule { duplicate: 1.0, ..LinkRule::default() };
    let (answered, refused) = burst_under(rule, 100, |runtime| answers(runtime) == 200);
    assert_eq!((answered, refused), (200, 0));
}

#[test]
fn nothing_passes_a_cut_link_until_it_is_healed() {
    let (done, reports) = channel();
    let topology = topology(vec![pinger(10, done), ponger(Zone::B)]);
    let dir = data_dir();
    let config = config(&topology, &dir, "data");
    let runtime = Runtime::start(topology, &config).expect("starts");
    assert_eq!(next(&reports), 10);
    runtime
        .inject(&Fault::Link { from: PONGER, to: PINGER, rule: LinkRule { cut: true, ..LinkRule::default() } })
        .expect("known nodes");
    runtime.crash(PINGER).expect("known");
    runtime.restart(PINGER).expect("down");
    let sent = |runtime: &Runtime| runtime.ledgers().expect("runs")[1].1.class(CLASS).sends;
    while sent(&runtime) < 11 {}
    runtime.inject(&Fault::Heal { from: PONGER, to: PINGER }).expect("known nodes");
    assert!(reports.try_recv().is_err(), "the answer was sent into a cut link");
    runtime.crash(PINGER).expect("known");
    runtime.restart(PINGER).expect("down");
    assert_eq!(next(&reports), 10);
    assert_eq!(sent(&runtime), 21);
}

#[test]
fn a_paused_node_loses_nothing_and_keeps_the_order() {
    let (done, reports) = channel();
    let receiver = diskless(1, Zone::A, move |_| {
        let done = done.clone();
        acting(0u64, move |expected, _, event, _: &mut Effects| {
            if let Event::Frame { frame, .. } = event {
                assert_eq!(number_of(&frame), *expected);
                *expected += 1;
                if *expected == 100 {
                    done.send(()).expect("the test waits");
                }
            }
        })
    });
    // The sender starts when the test's own frame to itself, sent on restart, reaches it.
    let sender = diskless(0, Zone::A, |incarnation| {
        acting((), move |(), _, event, out: &mut Effects| match event {
            Event::Start if incarnation == 1 => out.send(NodeId(0), number_frame(0), CLASS),
            Event::Frame { .. } => (0..100).for_each(|number| out.send(NodeId(1), number_frame(number), CLASS)),
            _ => {}
        })
    });
    let topology = topology(vec![sender, receiver]);
    let dir = data_dir();
    let config = config(&topology, &dir, "data");
    let runtime = Runtime::start(topology, &config).expect("starts");
    runtime.pause(NodeId(1)).expect("up");
    runtime.crash(NodeId(0)).expect("known");
    runtime.restart(NodeId(0)).expect("down");
    while runtime.ledgers().expect("runs")[0].1.class(CLASS).sends < 100 {}
    let seen = |any: &mut dyn std::any::Any| any.downcast_ref::<nodes::Acting<u64>>().expect("a counter").state;
    assert_eq!(runtime.probe(NodeId(1), seen).expect("up"), 0);
    runtime.resume(NodeId(1)).expect("paused");
    next(&reports);
    assert_eq!(runtime.ledgers().expect("runs")[0].1.class(CLASS).sends, 100, "a frame to itself uses no link");
}
