//! Frames between the nodes of two runtimes over TCP, and whoever else knocks at their door.

mod nodes;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use node::frame::{BODY_BYTES_MAX, HEADER_BYTES};
use node::{Delay, Effects, Event, Frame, LinkModel, LinkProfile, Member, Nanos, NodeId, TimerId, Zone};
use nodes::{CLASS, acting, diskless, next, number_frame, number_of, topology};
use uring::{
    Config, Hello, PROTOCOL_VERSION, REFUSED, Refusal, Refusals, Remote, Runtime, TcpConfig, TcpCounts, WELCOME,
};

const PINGER: NodeId = NodeId(1);
const ECHO: NodeId = NodeId(2);
const VOLUME: u64 = 0x5e71;
const ANY: &str = "127.0.0.1:0";
/// What the pinger waits for an answer before it asks again.
const RESEND: Nanos = Nanos::from_millis(5);

/// Sends number after number, each until it is answered, and reports each answer.
fn pinger(answered: Sender<u64>) -> Member {
    let timer = TimerId::new(1, 0);
    diskless(PINGER.0, Zone::A, move |_| {
        let answered = answered.clone();
        acting(0u64, move |round, _, event, out: &mut Effects| {
            if let Event::Frame { frame, .. } = &event {
                if number_of(frame) != *round {
                    return;
                }
                *round += 1;
                // A test that has seen enough no longer listens.
                let _ = answered.send(*round);
            }
            out.send(ECHO, number_frame(*round), CLASS);
            out.set_timer(timer, RESEND);
        })
    })
}

/// Sends back whatever comes.
fn echo() -> Member {
    diskless(ECHO.0, Zone::B, |_| {
        acting((), |(), _, event, out: &mut Effects| {
            if let Event::Frame { from, frame } = event {
                out.send(from, frame, CLASS);
            }
        })
    })
}

fn start(member: Member, tcp: TcpConfig, links: LinkProfile) -> Runtime {
    let topology = topology(vec![member]);
    let config = Config { data_dirs: Vec::new(), tcp: Some(tcp), links, ..Config::new(&topology, "unused") };
    Runtime::start(topology, &config).expect("starts")
}

/// The echo's side: listens, and knows the pinger.
fn listening(at: &str) -> TcpConfig {
    let remotes = vec![Remote { id: PINGER, zone: Zone::A, address: None }];
    TcpConfig { listen: Some(at.parse().expect("an address")), remotes, ..TcpConfig::new(VOLUME) }
}

/// The pinger's side: dials the echo.
fn dialling(address: SocketAddr) -> TcpConfig {
    TcpConfig { remotes: vec![Remote { id: ECHO, zone: Zone::B, address: Some(address) }], ..TcpConfig::new(VOLUME) }
}

fn address_of(runtime: &Runtime) -> SocketAddr {
    runtime.description().listening.expect("it listens")
}

/// Waits until the counts of `runtime` are as asked.
fn until(runtime: &Runtime, mut reached: impl FnMut(&TcpCounts) -> bool) -> TcpCounts {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let counts = runtime.tcp_counts();
        if reached(&counts) {
            return counts;
        }
        assert!(Instant::now() < give_up, "never reached: {counts:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn hear(answers: &Receiver<u64>, rounds: u64) {
    while next(answers) < rounds {}
}

#[test]
fn every_ping_is_answered_by_another_process() {
    let (answered, answers) = channel();
    let echoing = start(echo(), listening(ANY), LinkProfile::none());
    let pinging = start(pinger(answered), dialling(address_of(&echoing)), LinkProfile::none());
    hear(&answers, 2000);
    let (there, here) = (echoing.tcp_counts(), pinging.tcp_counts());
    assert_eq!((there.connections, here.connections), (1, 1));
    assert!(here.sent >= 2000 && there.received >= 2000 && here.received >= 2000, "{here:?} {there:?}");
    assert_eq!((there.refused, here.refused), (Refusals::default(), Refusals::default()));
}

/// The carrier's thread writes while frames are still being queued, in as many writes as the machine's load makes of it. So
/// the other side answers the handshake only when all of them wait: how many share a write is then the link's own doing.
#[test]
fn frames_that_gathered_share_a_write() {
    /// Fewer than fill the smallest send buffer: the kernel takes each write whole.
    const FRAMES: u64 = 600;
    let (queued, all_queued) = channel();
    let burst = diskless(PINGER.0, Zone::A, move |_| {
        let queued = queued.clone();
        acting((), move |(), _, event, out: &mut Effects| match event {
            Event::Start => {
                (0..FRAMES).for_each(|number| out.send(ECHO, number_frame(number), CLASS));
                out.set_timer(TimerId::new(1, 0), Nanos::ZERO);
            }
            // Frames go to their connection before the event behind theirs.
            Event::Timer { .. } => queued.send(()).expect("the test waits for it"),
            _ => {}
        })
    });
    let listener = TcpListener::bind(ANY).expect("an address");
    let patient = Duration::from_secs(60);
    let tcp = TcpConfig { handshake_timeout: patient, ..dialling(listener.local_addr().expect("bound")) };
    let pinging = start(burst, tcp, LinkProfile::none());
    let mut callee = Caller(listener.accept().expect("dialled").0);
    assert_eq!(Hello::read(&callee.hear()), Some(HELLO));
    next(&all_queued);
    callee.0.write_all(Frame::encode(WELCOME, 0, |_| {}).bytes()).expect("taken");
    (0..FRAMES).for_each(|number| assert_eq!(number_of(&callee.hear()), number));
    let counts = until(&pinging, |counts| counts.sent == FRAMES);
    assert_eq!((counts.writes, counts.lost), (FRAMES.div_ceil(64), 0), "64 frames a write, when there are that many");
}

#[test]
fn the_profile_delays_frames_where_they_arrive() {
    let mut profile = LinkProfile::none();
    let delay = Delay::Constant(Nanos::from_millis(2));
    profile.between[Zone::A as usize][Zone::B as usize] = LinkModel { delay, ..LinkModel::DIRECT };
    let (answered, answers) = channel();
    let echoing = start(echo(), listening(ANY), profile.clone());
    let pinging = start(pinger(answered), dialling(address_of(&echoing)), profile);
    hear(&answers, 20);
    let delays = echoing.usage().expect("running").delays;
    let record = delays.between(Zone::A, Zone::B).expect("frames were delayed");
    assert!(record.frames() >= 20);
    assert!(record.realised_ns.min() >= 1_900_000, "{}", record.realised_ns.min());
    assert!(pinging.usage().expect("running").delays.between(Zone::A, Zone::B).is_none(), "delayed once");
}

#[test]
fn a_process_that_went_and_came_back_is_found_again() {
    let (answered, answers) = channel();
    let echoing = start(echo(), listening(ANY), LinkProfile::none());
    let address = address_of(&echoing);
    let pinging = start(pinger(answered), dialling(address), LinkProfile::none());
    hear(&answers, 10);
    drop(echoing);
    let gone = until(&pinging, |counts| counts.broken == 1 && counts.lost > 0);
    assert_eq!(gone.connections, 1);
    let echoing = start(echo(), listening(&address.to_string()), LinkProfile::none());
    let so_far = answers.try_iter().last().unwrap_or(10);
    hear(&answers, so_far + 10);
    assert_eq!(echoing.tcp_counts().connections, 1);
    assert_eq!(pinging.tcp_counts().connections, 2);
}

/// One side of a connection, by hand.
struct Caller(TcpStream);

impl Caller {
    fn dial(address: SocketAddr) -> Caller {
        Caller(TcpStream::connect(address).expect("somebody listens"))
    }

    /// Opens with `hello` and gives the answer.
    fn greet(&mut self, hello: Hello) -> Frame {
        self.0.write_all(hello.frame().bytes()).expect("taken");
        self.hear()
    }

    /// The next frame.
    fn hear(&mut self) -> Frame {
        let mut bytes = vec![0; HEADER_BYTES];
        self.0.read_exact(&mut bytes).expect("a frame comes");
        let len = Frame::announced_body_bytes(&bytes).expect("a frame");
        bytes.resize(HEADER_BYTES + len, 0);
        self.0.read_exact(&mut bytes[HEADER_BYTES..]).expect("all of it");
        Frame::verify(bytes.into()).expect("whole")
    }

    /// A connection that was let in as the pinger's.
    fn admitted(address: SocketAddr) -> Caller {
        let mut caller = Caller::dial(address);
        assert_eq!(caller.greet(HELLO).kind(), WELCOME);
        caller
    }

    /// Says something and waits until it is hung up on.
    fn say(mut self, bytes: &[u8]) {
        // It may be hung up on before all of it is taken.
        let _ = self.0.write_all(bytes);
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

const HELLO: Hello = Hello { version: PROTOCOL_VERSION, volume: VOLUME, from: PINGER, to: ECHO };

#[test]
fn whoever_does_not_belong_is_refused_and_counted_and_the_node_lives_on() {
    let patience = Duration::from_millis(100);
    let tcp = TcpConfig { handshake_timeout: patience, ..listening(ANY) };
    let echoing = start(echo(), tcp, LinkProfile::none());
    let address = address_of(&echoing);
    Caller::dial(address).say(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    Caller::dial(address).say(number_frame(7).bytes());
    Caller::dial(address).say(b"");
    let expected = Refusals { strangers: 3, ..Refusals::default() };
    until(&echoing, |counts| counts.refused == expected);

    let refused = [
        Hello { version: PROTOCOL_VERSION + 1, ..HELLO },
        Hello { volume: VOLUME + 1, ..HELLO },
        Hello { to: NodeId(3), ..HELLO },
        Hello { from: NodeId(9), ..HELLO },
    ];
    for hello in refused {
        assert_eq!(Caller::dial(address).greet(hello).kind(), REFUSED, "{hello:?}");
    }
    let expected = Refusals { versions: 1, volumes: 1, nodes: 2, ..expected };
    until(&echoing, |counts| counts.refused == expected);

    let mut oversized = number_frame(1).bytes().to_vec();
    oversized[8..12].copy_from_slice(&(BODY_BYTES_MAX as u32 + 1).to_le_bytes());
    Caller::admitted(address).say(&oversized);
    let mut damaged = number_frame(1).bytes().to_vec();
    damaged[HEADER_BYTES] ^= 0x10;
    Caller::admitted(address).say(&damaged);
    Caller::admitted(address).say(b"this is no header");
    let expected = Refusals { oversized: 1, damaged: 2, ..expected };
    let counts = until(&echoing, |counts| counts.refused == expected && counts.broken == 3);
    assert_eq!(counts.received, 0, "nothing of it reached the node");
    assert_eq!(echoing.usage().expect("running").nodes[0].events, 1, "which saw its start and nothing else");

    let (answered, answers) = channel();
    let _pinging = start(pinger(answered), dialling(address), LinkProfile::none());
    hear(&answers, 10);
}

#[test]
fn a_storm_of_half_open_connections_keeps_nobody_out_for_long() {
    let tcp = TcpConfig { handshake_timeout: Duration::from_millis(200), handshakes_max: 8, ..listening(ANY) };
    let echoing = start(echo(), tcp, LinkProfile::none());
    let address = address_of(&echoing);
    let storm: Vec<_> = (0..300).map(|_| Caller::dial(address)).collect();
    let (answered, answers) = channel();
    let pinging = start(pinger(answered), dialling(address), LinkProfile::none());
    hear(&answers, 10);
    drop(storm);
    let counts = until(&echoing, |counts| counts.refused.strangers + counts.refused.crowded >= 300);
    assert!(counts.refused.strangers >= 8 && counts.refused.crowded > 0, "{counts:?}");
    assert_eq!(pinging.tcp_counts().connections, 1);
}

#[test]
fn a_dialler_is_told_why_it_is_refused() {
    let echoing = start(echo(), listening(ANY), LinkProfile::none());
    let (answered, _answers) = channel();
    let tcp = TcpConfig { volume: VOLUME + 1, ..dialling(address_of(&echoing)) };
    let pinging = start(pinger(answered), tcp, LinkProfile::none());
    until(&pinging, |counts| counts.lost > 2 && !pinging.refused_by().is_empty());
    assert_eq!(pinging.refused_by(), [(ECHO, Refusal::Volume(VOLUME))]);
    assert_eq!(pinging.tcp_counts().connections, 0);
}

#[test]
fn a_newer_connection_of_a_pair_takes_the_older_ones_place() {
    let echoing = start(echo(), listening(ANY), LinkProfile::none());
    let mut older = Caller::admitted(address_of(&echoing));
    let mut newer = Caller::admitted(address_of(&echoing));
    let mut rest = Vec::new();
    let ended = older.0.read_to_end(&mut rest);
    assert!(
        rest.is_empty() && (ended.is_ok() || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset))
    );
    let ping = number_frame(41);
    newer.0.write_all(ping.bytes()).expect("taken");
    let mut pong = vec![0; ping.len_bytes()];
    newer.0.read_exact(&mut pong).expect("echoed over the newer one");
    assert_eq!(Frame::verify(pong.into()).expect("whole"), ping);
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let echoing = start(echo(), listening(ANY), LinkProfile::none());
    let topology = topology(vec![echo()]);
    let tcp = listening(&address_of(&echoing).to_string());
    let config = Config { data_dirs: Vec::new(), tcp: Some(tcp), ..Config::new(&topology, "unused") };
    let error = Runtime::start(topology, &config).expect_err("taken").to_string();
    assert!(error.contains(&address_of(&echoing).to_string()), "{error}");
}

#[test]
fn a_node_cannot_be_here_and_elsewhere() {
    let topology = topology(vec![echo()]);
    let tcp = TcpConfig { remotes: vec![Remote { id: ECHO, zone: Zone::B, address: None }], ..TcpConfig::new(VOLUME) };
    let config = Config { data_dirs: Vec::new(), tcp: Some(tcp), ..Config::new(&topology, "unused") };
    let error = Runtime::start(topology, &config).expect_err("refused").to_string();
    assert!(error.contains("n2 is in this process and in another"), "{error}");
}
