//! The coupled engine as the compute layer sees it.

use compute::{Context, Fence, Group, Lsn, Opened, PageId, RowChanges, Storage, Upcall};
use node::{Digest, Event, Frame, FrameKind, TimerId};

use crate::config::Config;
use crate::engine::{Engine, Probe};
use crate::error::CoupledError;
use crate::io::{self, FLUSH_TIMER, Io, SPACE_TIMER};
use crate::recovery::Recovery;
use crate::volume::{Volume, VolumeStatus};

/// Asks the engine to work off its deferred work without pauses, or to stop doing so. The body is one byte, 1 or 0.
pub const SETTLE: FrameKind = FrameKind(0x0210);

/// The frame that switches settling on or off.
pub fn settle_frame(on: bool) -> Frame {
    Frame::encode(SETTLE, 1, |body| body.extend_from_slice(&[u8::from(on)]))
}

/// Write-ahead log, double-write buffer and page file on a [`Volume`].
#[derive(Clone)]
pub struct CoupledStorage {
    config: Config,
    volume: Box<dyn Volume>,
    state: State,
}

#[derive(Clone)]
enum State {
    /// The volume is not ready yet.
    Waiting,
    Recovering(Box<Recovery>),
    Open(Box<Engine>),
    /// Halted: nothing is done any more.
    Halted,
}

impl CoupledStorage {
    /// A storage on `volume`, closed until it is started.
    pub fn new(config: Config, volume: Box<dyn Volume>) -> CoupledStorage {
        CoupledStorage { config, volume, state: State::Waiting }
    }

    /// Counters and positions; `None` before recovery is over.
    pub fn probe(&self) -> Option<Probe> {
        match &self.state {
            State::Open(engine) => Some(engine.probe()),
            _ => None,
        }
    }

    /// Where the volume's copies stand.
    pub fn volume_status(&self) -> VolumeStatus {
        self.volume.status()
    }

    /// Whether no deferred work is left: nothing dirty, the checkpoint at the log's end, the page file grown.
    pub fn is_settled(&self) -> bool {
        matches!(&self.state, State::Open(engine) if engine.is_settled())
    }

    /// Switches settling on or off; [`SETTLE`] does the same from afar.
    pub fn settle(&mut self, cx: &mut Context<'_>, on: bool) {
        if let State::Open(engine) = &mut self.state {
            let mut io = Io { now: cx.now, volume: self.volume.as_mut(), out: cx.out };
            engine.settle(&mut io, cx.pool, on);
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if let State::Open(engine) = &mut self.state {
            let mut io = Io { now: cx.now, volume: self.volume.as_mut(), out: cx.out };
            engine.timer(&mut io, cx.pool, timer);
        }
    }

    /// Starts recovery once the volume is ready, and hands completions out until there are none.
    fn take_up(&mut self, cx: &mut Context<'_>) {
        if matches!(self.state, State::Waiting) && self.volume.is_ready() {
            let mut io = Io { now: cx.now, volume: self.volume.as_mut(), out: cx.out };
            self.state = State::Recovering(Box::new(Recovery::start(self.config.clone(), &mut io)));
        }
        while let Some((token, result)) = self.volume.next_completion() {
            let Some((kind, detail)) = io::parse(token) else { continue };
            let mut io = Io { now: cx.now, volume: self.volume.as_mut(), out: cx.out };
            let outcome = match &mut self.state {
                State::Recovering(recovery) => recovery.completed(&mut io, kind, detail, result).map(|recovered| {
                    if let Some(recovered) = recovered {
                        let engine = Engine::new(self.config.clone(), recovered);
                        let durable = engine.durable();
                        let opened = Opened { next: durable.next(), durable, created: durable == Lsn::ZERO };
                        cx.up.push(Upcall::Opened(opened));
                        self.state = State::Open(Box::new(engine));
                    }
                }),
                State::Open(engine) => engine.completed(&mut io, cx.pool, cx.up, kind, detail, result),
                State::Waiting | State::Halted => Ok(()),
            };
            if let Err(error) = outcome {
                self.halt(cx, &error);
            }
        }
    }

    fn halt(&mut self, cx: &mut Context<'_>, error: &CoupledError) {
        self.state = State::Halted;
        cx.out.halt(error.to_string());
    }

    /// The opened engine; `None` after a halt, when whatever the node still asks in the same event leads nowhere.
    fn open<'a>(&'a mut self, cx: &'a mut Context<'_>) -> Option<(&'a mut Engine, Io<'a>)> {
        match &mut self.state {
            State::Open(engine) => Some((engine, Io { now: cx.now, volume: self.volume.as_mut(), out: cx.out })),
            State::Halted => None,
            State::Waiting | State::Recovering(_) => panic!("the storage is not open yet"),
        }
    }
}

impl Storage for CoupledStorage {
    fn handle(&mut self, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::Start => {
                if let Err(error) = self.config.check() {
                    self.halt(cx, &CoupledError::Refused(error.to_string()));
                    return;
                }
                self.volume.start(cx.now, cx.out);
            }
            Event::Timer { timer } if timer == FLUSH_TIMER || timer == SPACE_TIMER => self.timer(cx, timer),
            Event::Frame { ref frame, .. } if frame.kind() == SETTLE => {
                self.settle(cx, frame.body().first() == Some(&1));
            }
            event => self.volume.handle(cx.now, event, cx.out),
        }
        self.take_up(cx);
    }

    fn reserve(&mut self, cx: &mut Context<'_>, page: PageId) -> bool {
        self.open(cx).is_some_and(|(engine, mut io)| engine.reserve(&mut io, page))
    }

    fn admits(&mut self, _: Lsn, bytes: usize) -> bool {
        match &mut self.state {
            State::Open(engine) => engine.admits(bytes),
            _ => false,
        }
    }

    fn append(&mut self, cx: &mut Context<'_>, group: Group) {
        self.append_with_changes(cx, group, RowChanges::default());
    }

    fn wants_changes(&self) -> bool {
        self.config.binlog.is_some()
    }

    fn append_with_changes(&mut self, cx: &mut Context<'_>, group: Group, changes: RowChanges) {
        if let Some((engine, mut io)) = self.open(cx) {
            engine.append(&mut io, group, &changes);
        }
    }

    fn fetch(&mut self, cx: &mut Context<'_>, page: PageId) {
        if let Some((engine, mut io)) = self.open(cx) {
            engine.fetch(&mut io, page);
        }
    }

    fn evictable(&self, page: PageId, page_lsn: Lsn) -> bool {
        match &self.state {
            State::Open(engine) => engine.evictable(page, page_lsn),
            _ => false,
        }
    }

    fn fence(&mut self, _: &mut Context<'_>) -> Fence {
        // One node owns the files; the runtime's lock on the directory keeps others out.
        Fence::Passed
    }

    fn durable(&self) -> Lsn {
        match &self.state {
            State::Open(engine) => engine.durable(),
            _ => Lsn::ZERO,
        }
    }

    fn digest(&self, digest: &mut Digest) {
        self.volume.digest(digest);
        match &self.state {
            State::Waiting => digest.word(1),
            State::Recovering(recovery) => digest.word(2 | recovery.phase() << 8),
            State::Open(engine) => engine.digest(digest),
            State::Halted => digest.word(4),
        }
    }
}
