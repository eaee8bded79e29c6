//! The thread that runs all connections of a runtime.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use node::{Nanos, NodeId, Rng};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::config::TcpConfig;
use super::counts::{Counters, TcpCounts};
use super::handshake::{self, Hello, PROTOCOL_VERSION, Refusal};
use super::outbox::Outbox;
use super::stream;
use crate::inbox::Inbox;
use crate::mail::Mail;
use crate::sys;

/// After a refusal by the system (no descriptors left, say) connections wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// The links of a runtime to other processes, as its threads use them.
#[derive(Debug)]
pub(crate) struct Carrier {
    config: TcpConfig,
    pairs: BTreeMap<(NodeId, NodeId), Arc<Pair>>,
    counters: Counters,
    /// By remote node: why it refused the last handshake. Empty again once it agreed to one.
    refused_by: Mutex<BTreeMap<NodeId, Refusal>>,
    cpu_ns: AtomicU64,
}

/// One local and one remote node.
#[derive(Debug)]
struct Pair {
    local: NodeId,
    remote: NodeId,
    address: Option<SocketAddr>,
    outbox: Outbox,
    inbox: Arc<Inbox<Mail>>,
}

/// The thread itself. Dropping it closes all connections.
#[derive(Debug)]
pub(crate) struct CarrierThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// For the nodes of this process, each with the inbox of its thread.
    pub(crate) fn new(config: &TcpConfig, locals: &[(NodeId, Arc<Inbox<Mail>>)]) -> Carrier {
        let mut pairs = BTreeMap::new();
        for (local, inbox) in locals {
            for remote in &config.remotes {
                let pair = Pair {
                    local: *local,
                    remote: remote.id,
                    address: remote.address,
                    // What is to be dialled is dialled for its first frame, which waits for it.
                    outbox: Outbox::new(config.outbox_bytes_max, remote.address.is_some()),
                    inbox: Arc::clone(inbox),
                };
                pairs.insert((*local, remote.id), Arc::new(pair));
            }
        }
        let (counters, refused_by) = (Counters::default(), Mutex::default());
        Carrier { config: config.clone(), pairs, counters, refused_by, cpu_ns: AtomicU64::new(0) }
    }

    /// Sends a frame to another process, or loses it.
    pub(crate) fn send(&self, from: NodeId, to: NodeId, frame: Bytes) {
        let taken = self.pairs.get(&(from, to)).is_some_and(|pair| pair.outbox.put(frame));
        self.counters.lost.add(u64::from(!taken));
    }

    pub(crate) fn counts(&self) -> TcpCounts {
        self.counters.snapshot()
    }

    /// Remote nodes that want nothing to do with this process, and why.
    pub(crate) fn refused_by(&self) -> Vec<(NodeId, Refusal)> {
        let refused_by = self.refused_by.lock().unwrap_or_else(PoisonError::into_inner);
        refused_by.iter().map(|(node, refusal)| (*node, *refusal)).collect()
    }

    /// CPU time of the thread, up to when it last went to sleep.
    pub(crate) fn cpu(&self) -> Nanos {
        Nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// Takes connections for as long as the runtime lives.
    async fn accept(self: Arc<Carrier>, listener: TcpListener) {
        let handshakes = Arc::new(Semaphore::new(self.config.handshakes_max));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else {
                self.counters.crowded.add(1);
                continue;
            };
            let carrier = Arc::clone(&self);
            let admitting = async move {
                let admitted = carrier.admit(stream).await;
                drop(permit);
                if let Some((pair, stream)) = admitted {
                    carrier.take_over(pair, stream);
                }
            };
            tokio::spawn(admitting);
        }
    }

    /// Hears a caller out. Gives the pair that it may speak for.
    async fn admit(&self, mut stream: TcpStream) -> Option<(Arc<Pair>, TcpStream)> {
        let hello = match timeout(self.config.handshake_timeout, Hello::receive(&mut stream)).await {
            Ok(Ok(Some(hello))) => hello,
            Ok(Ok(None) | Err(_)) | Err(_) => {
                self.counters.strangers.add(1);
                return None;
            }
        };
        let refusal = if hello.version != PROTOCOL_VERSION {
            self.counters.versions.add(1);
            Refusal::Version(PROTOCOL_VERSION)
        } else if hello.volume != self.config.volume {
            self.counters.volumes.add(1);
            Refusal::Volume(self.config.volume)
        } else {
            let pair = self.pairs.get(&(hello.to, hello.from)).filter(|pair| pair.address.is_none());
            if let Some(pair) = pair {
                handshake::welcome(&mut stream).await.ok()?;
                return Some((Arc::clone(pair), stream));
            }
            self.counters.nodes.add(1);
            Refusal::Node
        };
        refusal.send(&mut stream, PROTOCOL_VERSION, self.config.volume).await;
        None
    }

    /// Lets a new connection carry its pair, in the place of any other.
    fn take_over(self: Arc<Carrier>, pair: Arc<Pair>, stream: TcpStream) {
        let (begin, may_begin) = oneshot::channel();
        let (carrier, own) = (Arc::clone(&self), Arc::clone(&pair));
        let carrying = tokio::spawn(async move {
            if let Ok(connection) = may_begin.await {
                carrier.carry(&own, stream).await;
                carrier.counters.lost.add(own.outbox.close(connection));
            }
        });
        let connection = pair.outbox.open(Some(carrying.abort_handle()));
        // The task was just made and waits for this.
        let _ = begin.send(connection);
    }

    /// Dials a remote node from its first frame on, again and again.
    async fn dial(self: Arc<Carrier>, pair: Arc<Pair>, address: SocketAddr) {
        let seed = Rng::new(self.config.seed).fork("backoff", u64::from(pair.local.0) << 32 | u64::from(pair.remote.0));
        let (mut rng, mut backoff) = (seed, self.config.backoff_min);
        pair.outbox.wait().await;
        loop {
            if let Some(stream) = self.call(&pair, address).await {
                let connection = pair.outbox.open(None);
                let began = Instant::now();
                self.carry(&pair, stream).await;
                self.counters.lost.add(pair.outbox.close(connection));
                // One that broke at once may do so again: its address may be contended, or its wire bad.
                if began.elapsed() >= self.config.backoff_max {
                    backoff = self.config.backoff_min;
                }
            } else {
                // What waited for this call would be stale after the next.
                self.counters.lost.add(pair.outbox.shut());
            }
            sleep(backoff.mul_f64(0.5 + rng.below(1000) as f64 / 1000.0)).await;
            backoff = (backoff * 2).min(self.config.backoff_max);
        }
    }

    async fn call(&self, pair: &Pair, address: SocketAddr) -> Option<TcpStream> {
        let hello = Hello { version: PROTOCOL_VERSION, volume: self.config.volume, from: pair.local, to: pair.remote };
        let calling = async {
            let mut stream = TcpStream::connect(address).await?;
            let answer = hello.call(&mut stream).await?;
            io::Result::Ok((stream, answer))
        };
        let (stream, answer) = timeout(self.config.handshake_timeout, calling).await.ok()?.ok()?;
        let mut refused_by = self.refused_by.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(()) => {
                refused_by.remove(&pair.remote);
                Some(stream)
            }
            Err(refusal) => {
                refused_by.insert(pair.remote, refusal);
                None
            }
        }
    }

    /// Carries frames in both directions until the connection breaks.
    async fn carry(&self, pair: &Pair, stream: TcpStream) {
        let _connected = Connected::begin(&self.counters);
        // Frames are gathered before they are written: the kernel need not wait for more.
        let _ = stream.set_nodelay(true);
        let (from, to) = stream.into_split();
        let mut mail = Vec::new();
        let deliver = |arrived: &mut Vec<Bytes>| {
            let arrivals = arrived.drain(..).map(|bytes| Mail::Arrival { from: pair.remote, to: pair.local, bytes });
            mail.extend(arrivals);
            if !mail.is_empty() {
                pair.inbox.put_all(&mut mail);
            }
        };
        tokio::select! {
            _ = stream::receive(from, &self.counters, deliver) => {}
            _ = stream::send(to, &pair.outbox, &self.counters, self.config.stall_timeout) => {}
        }
    }
}

/// A connection that carries frames. It is broken when this is dropped, also by a newer one of its pair.
struct Connected<'a>(&'a Counters);

impl Connected<'_> {
    fn begin(counters: &Counters) -> Connected<'_> {
        counters.connections.add(1);
        Connected(counters)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.broken.add(1);
    }
}

impl CarrierThread {
    /// Binds the address to listen on. The address it got may have another port than was asked for.
    pub(crate) fn bind(config: &TcpConfig) -> io::Result<Option<(Listener, SocketAddr)>> {
        let Some(address) = config.listen else { return Ok(None) };
        let listener = Listener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Some((listener, address)))
    }

    /// Starts the thread.
    pub(crate) fn start(carrier: &Arc<Carrier>, listener: Option<Listener>) -> io::Result<CarrierThread> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (carrier, noting) = (Arc::clone(carrier), Arc::clone(carrier));
        let note_cpu = move || noting.cpu_ns.store(sys::thread_cpu().0, Ordering::Relaxed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().on_thread_park(note_cpu).build()?;
        let listener = {
            let _inside = runtime.enter();
            listener.map(TcpListener::from_std).transpose()?
        };
        let thread = std::thread::Builder::new().name("sextant-links".into()).spawn(move || {
            runtime.block_on(async move {
                if let Some(listener) = listener {
                    tokio::spawn(Arc::clone(&carrier).accept(listener));
                }
                for pair in carrier.pairs.values() {
                    if let Some(address) = pair.address {
                        tokio::spawn(Arc::clone(&carrier).dial(Arc::clone(pair), address));
                    }
                }
                // An owner that is gone has stopped it as well.
                let _ = stopped.await;
            });
        })?;
        Ok(CarrierThread { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for CarrierThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}
