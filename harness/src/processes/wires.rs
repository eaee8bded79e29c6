//! What lies between processes: every connection to a storage node passes through here, where it can be cut, held up and
//! damaged.
//!
//! # Mechanism
//!
//! Before each address stands another one, which its processes are told instead. A connection opens with a handshake that
//! names its pair of nodes ([`Hello`]), and so it is known which rules it follows. Each direction of it is read in pieces,
//! whatever frames they belong to; a rule says of each piece what becomes of it, as [`node::fault::LinkRule`] says of a frame.
//!
//! # Invariants
//!
//! - While a direction is cut, nothing passes, and what was sent then never does: its connection ends with the cut.
//! - Pieces keep their order, and each passes once, as TCP has it. A delay holds up all that follows; what waits when the rule
//!   ends passes at once.
//!
//! # Caveats
//!
//! - TCP loses nothing but what is on a connection that breaks. That is what the loss of a piece is here: its connection ends.
//! - What duplicates and overtakes is not to be had; such parts of a rule have no effect.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use node::fault::{LinkCounts, LinkRule};
use node::frame::HEADER_BYTES;
use node::{Frame, Nanos, NodeId, Rng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uring::Hello;

/// Bytes of a piece at most.
const PIECE_BYTES: usize = 16 << 10;
/// Pieces of one direction that wait at most; the sender waits with further ones.
const PIECES_MAX: usize = 64;
/// The body of a handshake at most.
const HELLO_BYTES_MAX: usize = 64;
/// How long a handshake may take to arrive.
const HELLO_PATIENCE: Duration = Duration::from_secs(3);
/// After a refusal by the system connections wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A direction: who sends, who receives.
type Ends = (NodeId, NodeId);

/// The wires. Dropping them ends all connections.
#[derive(Debug)]
pub struct Wires {
    /// Where nodes are reached through here, in the order of the addresses behind.
    pub addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    rules: BTreeMap<Ends, LinkRule>,
    counts: LinkCounts,
    rng: Rng,
}

/// What becomes of a piece.
enum Fate {
    /// It passes, so much later, and takes so long to.
    Pass { delay: Nanos, transfer: Nanos },
    /// Its connection ends.
    Lost,
    /// Its direction is cut.
    Cut,
}

impl Wires {
    /// Wires before `targets`, on a thread of their own.
    ///
    /// # Errors
    ///
    /// No address or no thread is to be had.
    pub fn before(targets: &[SocketAddr], seed: u64) -> io::Result<Wires> {
        let bind = |target: &SocketAddr| {
            let listener = Listener::bind((target.ip(), 0))?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener, *target))
        };
        let bound = targets.iter().map(bind).collect::<io::Result<Vec<_>>>()?;
        let addresses = bound.iter().map(|(address, ..)| *address).collect();
        let rng = Rng::new(seed).fork("wires", 0);
        let state = Mutex::new(State { rules: BTreeMap::new(), counts: LinkCounts::default(), rng });
        let shared = Arc::new(Shared { state, changed: watch::Sender::new(()) });
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let accepting = {
            let _inside = runtime.enter();
            let listen = |(_, listener, target)| Ok((TcpListener::from_std(listener)?, target));
            bound.into_iter().map(listen).collect::<io::Result<Vec<_>>>()?
        };
        let passing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("sextant-wires".into()).spawn(move || {
            runtime.block_on(async move {
                for (listener, target) in accepting {
                    tokio::spawn(accept(listener, target, Arc::clone(&passing)));
                }
                // An owner that is gone has stopped it as well.
                let _ = stopped.await;
            });
        })?;
        Ok(Wires { addresses, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Puts a direction under a rule, or under none.
    pub fn set(&self, from: NodeId, to: NodeId, rule: Option<LinkRule>) {
        let mut state = self.shared.state();
        match rule {
            Some(rule) => state.rules.insert((from, to), rule),
            None => state.rules.remove(&(from, to)),
        };
        drop(state);
        self.shared.changed.send_replace(());
    }

    /// The directions under a rule, in order.
    pub fn ruled(&self) -> Vec<(NodeId, NodeId)> {
        self.shared.state().rules.keys().copied().collect()
    }

    /// What rules did to pieces so far.
    pub fn counts(&self) -> LinkCounts {
        self.shared.state().counts
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rule(&self, ends: Ends) -> LinkRule {
        self.state().rules.get(&ends).copied().unwrap_or_default()
    }

    /// Waits until the direction is not cut.
    async fn until_joined(&self, ends: Ends) {
        let mut changed = self.changed.subscribe();
        while self.rule(ends).cut && changed.changed().await.is_ok() {}
    }

    /// Waits until `due`, or until nothing holds the direction up any more.
    async fn until_due(&self, ends: Ends, due: Instant) {
        let mut changed = self.changed.subscribe();
        while Instant::now() < due {
            let rule = self.rule(ends);
            if rule.extra_delay.is_none() && rule.bandwidth_bytes_per_s.is_none() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                _ = changed.changed() => {}
            }
        }
    }

    /// Decides about a piece, and damages it if that is what becomes of it.
    fn fate(&self, ends: Ends, piece: &mut [u8]) -> Fate {
        let state = &mut *self.state();
        let Some(rule) = state.rules.get(&ends) else {
            return Fate::Pass { delay: Nanos::ZERO, transfer: Nanos::ZERO };
        };
        let (counts, rng) = (&mut state.counts, &mut state.rng);
        counts.sent += 1;
        if rule.cut {
            counts.cut += 1;
            return Fate::Cut;
        }
        if rule.loss > 0.0 && rng.chance(rule.loss) {
            counts.lost += 1;
            return Fate::Lost;
        }
        if rule.corrupt > 0.0 && rng.chance(rule.corrupt) {
            counts.damaged += 1;
            piece[rng.below(piece.len() as u64) as usize] ^= 1 << rng.below(8);
        }
        counts.delayed += u64::from(rule.extra_delay.is_some() || rule.bandwidth_bytes_per_s.is_some());
        let transfer = |rate: u64| Nanos(piece.len() as u64 * 1_000_000_000 / rate.max(1));
        Fate::Pass {
            delay: rule.extra_delay.map_or(Nanos::ZERO, |delay| delay.draw(rng)),
            transfer: rule.bandwidth_bytes_per_s.map_or(Nanos::ZERO, transfer),
        }
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((near, _)) => drop(tokio::spawn(pass(near, target, Arc::clone(&shared)))),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Passes a connection on to `target`, until either end of it or a rule ends it.
async fn pass(mut near: TcpStream, target: SocketAddr, shared: Arc<Shared>) -> io::Result<()> {
    // Whoever opens with anything else is not passed on: strangers are refused by nodes, not by what lies between them.
    let Ok(Some((hello, opening))) = timeout(HELLO_PATIENCE, receive_hello(&mut near)).await? else { return Ok(()) };
    let (there, back) = ((hello.from, hello.to), (hello.to, hello.from));
    if shared.rule(there).cut {
        shared.state().counts.cut += 1;
        shared.until_joined(there).await;
        return Ok(());
    }
    let mut far = TcpStream::connect(target).await?;
    far.write_all(&opening).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    tokio::select! {
        ended = carry(from_near, to_far, there, &shared) => ended,
        ended = carry(from_far, to_near, back, &shared) => ended,
    }
}

/// What a caller opens with, and its bytes; `None` when that is no handshake.
async fn receive_hello(near: &mut TcpStream) -> io::Result<Option<(Hello, Bytes)>> {
    let mut bytes = vec![0; HEADER_BYTES];
    near.read_exact(&mut bytes).await?;
    match Frame::announced_body_bytes(&bytes) {
        Ok(len) if len <= HELLO_BYTES_MAX => bytes.resize(HEADER_BYTES + len, 0),
        _ => return Ok(None),
    }
    near.read_exact(&mut bytes[HEADER_BYTES..]).await?;
    let frame = Frame::verify(Bytes::from(bytes)).ok();
    Ok(frame.and_then(|frame| Some((Hello::read(&frame)?, frame.bytes().clone()))))
}

/// Carries one direction until it ends.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, ends: Ends, shared: &Shared) -> io::Result<()> {
    let (waits, waiting) = mpsc::channel(PIECES_MAX);
    tokio::select! {
        ended = take_in(from, waits, ends, shared) => ended,
        ended = let_out(to, waiting, ends, shared) => ended,
    }
}

async fn take_in(
    mut from: OwnedReadHalf,
    waits: mpsc::Sender<(Instant, Vec<u8>)>,
    ends: Ends,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut free, mut last) = (Instant::now(), Instant::now());
    loop {
        let len = from.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        match shared.fate(ends, &mut buffer[..len]) {
            Fate::Pass { delay, transfer } => {
                let now = Instant::now();
                if delay == Nanos::ZERO && transfer == Nanos::ZERO {
                    (free, last) = (now, now);
                }
                free = free.max(now) + Duration::from_nanos(transfer.0);
                last = last.max(free + Duration::from_nanos(delay.0));
                if waits.send((last, buffer[..len].to_vec())).await.is_err() {
                    return Ok(());
                }
            }
            Fate::Lost => return Ok(()),
            Fate::Cut => {
                shared.until_joined(ends).await;
                return Ok(());
            }
        }
    }
}

async fn let_out(
    mut to: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<(Instant, Vec<u8>)>,
    ends: Ends,
    shared: &Shared,
) -> io::Result<()> {
    while let Some((due, piece)) = waiting.recv().await {
        shared.until_due(ends, due).await;
        to.write_all(&piece).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
