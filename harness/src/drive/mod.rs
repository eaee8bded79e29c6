//! Driving one engine through a phase: load, intervals, faults, counts, record.
//!
//! A phase is a stretch of time with one arrival process. It is cut into intervals; after each, what the load saw goes to
//! the run's record. Counts of I/O and CPU are taken at both ends, and the end waits for deferred work, so that an
//! engine does not look cheap by putting work off.

mod bottleneck;
mod counts;
mod faults;
mod intervals;

use std::time::Duration;

use ::load::{Arrivals, Interval, Phase as LoadPhase};
use record::{Phase, RunWriter, SegmentId};

pub use bottleneck::Utilisation;
pub use counts::{CpuBySite, keep_resources};
pub use faults::{FaultPlan, Turn, ZoneLoss};

use crate::engines::Gauges;
use crate::exit::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::rig::{Rig, SpaceWatch};
use counts::Counter;
use faults::Injector;
use intervals::to_record;

/// After a phase, transactions in flight get this long to end.
const QUIET_PATIENCE: Duration = Duration::from_secs(6);
/// Deferred work gets this long to be done, on the phase's account.
const SETTLE_PATIENCE: Duration = Duration::from_secs(4);
/// Reading one part of the data may take so long.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(10);
/// Deferred work at the end of a phase may exceed that at its start by a tenth.
const SETTLED_SHARE: f64 = 1.1;

/// What to do.
#[derive(Clone, Debug)]
pub struct PhasePlan {
    /// What it is in the record.
    pub phase: Phase,
    /// When transactions start.
    pub arrivals: Arrivals,
    /// How long.
    pub length: Duration,
    /// Length of an interval.
    pub interval: Duration,
    /// What is disturbed.
    pub faults: FaultPlan,
    /// Whether the end waits for deferred work.
    pub settle: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct PhaseOutcome {
    /// How long it took, without waiting for stragglers and deferred work.
    pub length_s: f64,
    /// Transactions that succeeded.
    pub ok: u64,
    /// Transactions that did not.
    pub errors: u64,
    /// Transactions given up after conflicts.
    pub aborts: u64,
    /// Attempts made again.
    pub retries: u64,
    /// Intended starts.
    pub offered: u64,
    /// Intended starts never sent.
    pub dropped: u64,
    /// Replies that cannot be right, in words.
    pub findings: Vec<String>,
    /// How many there were.
    pub findings_count: u64,
    /// Nodes that stopped by themselves, in words.
    pub halts: Vec<String>,
    /// What the engine said of itself at the start.
    pub gauges_start: Gauges,
    /// At the end of the window, before deferred work was asked for.
    pub gauges_end: Gauges,
    /// And after deferred work was done as far as patience went.
    pub gauges_settled: Gauges,
    /// How long deferred work was given.
    pub settle_s: f64,
    /// Bytes of user data changed by the transactions that succeeded.
    pub changed_bytes: u64,
    /// The weakest durability class the engine spoke of during the window, when it was not its own.
    pub degraded: Option<String>,
    /// Longest stretch of the phase, in seconds, in which no transaction succeeded.
    pub longest_silence_s: f64,
}

impl PhaseOutcome {
    /// Successful transactions a second.
    pub fn throughput_per_s(&self) -> f64 {
        self.ok as f64 / self.length_s
    }

    /// Achieved over offered, 1 in a closed loop.
    pub fn achieved_ratio(&self) -> f64 {
        if self.offered == 0 { 1.0 } else { (self.ok + self.errors) as f64 / self.offered as f64 }
    }
}

/// One engine's turn in a run.
pub struct Drive<'a> {
    /// The engine at work.
    pub rig: &'a mut Rig,
    /// The record.
    pub writer: &'a mut RunWriter,
    /// Its turn.
    pub segment: SegmentId,
    /// Where a person looks.
    pub progress: &'a mut Progress,
    /// Acknowledgements, encoded, when they are wanted.
    pub acks: Option<&'a mut crate::acks::Journal>,
}

/// The host's clock, from a moment on.
#[derive(Clone, Copy, Debug)]
struct Clock(node::Nanos);

impl Clock {
    fn start(rig: &Rig) -> Clock {
        Clock(rig.now())
    }

    fn elapsed(self, rig: &Rig) -> Duration {
        Duration::from_nanos(rig.now().saturating_sub(self.0).0)
    }
}

impl Drive<'_> {
    /// Runs the load for a while without keeping figures.
    pub fn warm_up(&mut self, arrivals: Arrivals, length: Duration) -> Result<(), Failure> {
        self.start(LoadPhase::Warmup, arrivals)?;
        let clock = Clock::start(self.rig);
        while clock.elapsed(self.rig) < length {
            interrupt::check()?;
            self.rig.sleep(Duration::from_millis(20).min(length));
            self.keep_acks()?;
            self.progress.show("warm-up", clock.elapsed(self.rig), length, None);
        }
        Ok(())
    }

    /// Runs a phase from start to settled end.
    pub fn run(&mut self, plan: &PhasePlan) -> Result<PhaseOutcome, Failure> {
        let gauges_start = self.rig.gauges();
        let mut counter = Counter::start(self.rig)?;
        self.start(LoadPhase::Measure, plan.arrivals)?;
        // What ended before the phase belongs to the warm-up.
        self.take_interval()?;
        let mut outcome = PhaseOutcome::new(gauges_start);
        let mut injector = Injector::new(&plan.faults, plan.length);
        let clock = Clock::start(self.rig);
        let mut ends_at = plan.interval;
        let mut silence_from = 0.0;
        let mut space = SpaceWatch::default();
        while clock.elapsed(self.rig) < plan.length {
            self.wait_until(clock, ends_at.min(plan.length), &mut injector)?;
            let interval = self.take_interval()?;
            let at_s = clock.elapsed(self.rig).as_secs_f64();
            if interval.all().ok > 0 {
                silence_from = at_s;
            }
            outcome.longest_silence_s = outcome.longest_silence_s.max(at_s - silence_from);
            self.keep(plan, &interval, &mut outcome)?;
            let rate = interval.all().ok as f64 / (interval.end.saturating_sub(interval.start)).as_secs_f64().max(1e-9);
            self.progress.show(plan.phase.name(), clock.elapsed(self.rig), plan.length, Some(rate));
            let gauges = self.rig.gauges();
            self.watch_space(&mut space, &gauges)?;
            outcome.degraded = outcome.degraded.or(gauges.degraded);
            counter.interval(self)?;
            ends_at += plan.interval;
        }
        outcome.length_s = clock.elapsed(self.rig).as_secs_f64();
        counter.window_ends(self.rig, plan, &outcome)?;
        self.finish(plan, &mut injector, &mut outcome)?;
        counter.end(self, plan, &outcome)?;
        Ok(outcome)
    }

    /// Journals every row as it is now, as one acknowledged transaction a row: what a check starts from when the data was not
    /// loaded by this run.
    pub fn journal_snapshot(&mut self, tables: u16) -> Result<(), Failure> {
        self.progress.say("journalling what is there");
        let rows = crate::turn::read_all(self.rig, tables, SNAPSHOT_PATIENCE)?;
        let acks: Vec<_> = rows.into_iter().map(|(table, key, row)| crate::acks::present(table, key, &row)).collect();
        match self.acks.as_deref_mut() {
            Some(journal) => journal.append(&acks),
            None => Ok(()),
        }
    }

    fn start(&mut self, phase: LoadPhase, arrivals: Arrivals) -> Result<(), Failure> {
        self.rig.load(move |core| {
            core.set_arrivals(arrivals);
            core.set_phase(phase);
        })
    }

    /// Sleeps until `at`, putting faults into force as they fall due.
    fn wait_until(&mut self, clock: Clock, at: Duration, injector: &mut Injector) -> Result<(), Failure> {
        loop {
            interrupt::check()?;
            let elapsed = clock.elapsed(self.rig);
            injector.act(elapsed, self.rig)?;
            let left = at.saturating_sub(elapsed);
            if left.is_zero() {
                return Ok(());
            }
            let step = left.min(injector.next_in(elapsed)).min(Duration::from_millis(50));
            self.rig.sleep(step.max(Duration::from_micros(200)));
            self.keep_acks()?;
        }
    }

    fn take_interval(&mut self) -> Result<Interval, Failure> {
        let now = self.rig.now();
        let interval = self.rig.load(move |core| core.take_interval(now))?;
        self.keep_acks()?;
        Ok(interval)
    }

    fn keep_acks(&mut self) -> Result<(), Failure> {
        if let Some(journal) = self.acks.as_deref_mut() {
            let acks = self.rig.load(|core| core.take_acks())?;
            journal.append(&acks)?;
        }
        Ok(())
    }

    /// Takes an interval into the outcome and the record.
    fn keep(&mut self, plan: &PhasePlan, interval: &Interval, outcome: &mut PhaseOutcome) -> Result<(), Failure> {
        outcome.add(interval);
        to_record(self.writer, self.segment, plan, interval)?;
        while let Some(halted) = self.rig.halted() {
            let words = halted.to_string();
            self.writer.event(self.segment, self.rig.now().0, "halt", words.clone().into()).map_err(record_failure)?;
            if halted.by_disk {
                // No fault of ours was to do that: the disk under the run is full or broken, and nothing after it is a figure.
                return Err(halted.failure("the run ends here"));
            }
            outcome.halts.push(words);
        }
        Ok(())
    }

    /// Notes disks that are full, and ends the run when the engine cannot do without them: nothing after that is a figure.
    fn watch_space(&mut self, space: &mut SpaceWatch, gauges: &Gauges) -> Result<(), Failure> {
        for disk in space.look(self.rig, gauges)? {
            let detail = serde_json::json!({ "node": disk.node, "directory": disk.directory });
            self.writer.event(self.segment, self.rig.now().0, "disk_full", detail).map_err(record_failure)?;
            self.writer.notice(format!("{} has no space left on its disk", disk.node)).map_err(record_failure)?;
        }
        Ok(())
    }

    /// Ends a phase: no new transactions, stragglers end, faults heal, deferred work is done.
    fn finish(&mut self, plan: &PhasePlan, injector: &mut Injector, outcome: &mut PhaseOutcome) -> Result<(), Failure> {
        self.rig.load(|core| core.set_phase(LoadPhase::Idle))?;
        injector.heal_all(self.rig)?;
        let clock = Clock::start(self.rig);
        while clock.elapsed(self.rig) < QUIET_PATIENCE && !self.rig.load(|core| core.is_quiet())? {
            interrupt::check()?;
            self.rig.sleep(Duration::from_millis(5));
        }
        let stragglers = self.take_interval()?;
        self.keep(plan, &stragglers, outcome)?;
        outcome.gauges_end = self.rig.gauges();
        outcome.gauges_settled = outcome.gauges_end.clone();
        if plan.settle {
            self.progress.say("settling deferred work");
            let clock = Clock::start(self.rig);
            outcome.gauges_settled = self.rig.settle(&outcome.gauges_start, SETTLED_SHARE, SETTLE_PATIENCE);
            outcome.settle_s = clock.elapsed(self.rig).as_secs_f64();
        }
        injector.record(self.writer, self.segment)
    }
}

impl PhaseOutcome {
    fn new(gauges_start: Gauges) -> PhaseOutcome {
        PhaseOutcome {
            length_s: 0.0,
            ok: 0,
            errors: 0,
            aborts: 0,
            retries: 0,
            offered: 0,
            dropped: 0,
            findings: Vec::new(),
            findings_count: 0,
            halts: Vec::new(),
            gauges_end: gauges_start.clone(),
            gauges_settled: gauges_start.clone(),
            settle_s: 0.0,
            changed_bytes: 0,
            degraded: None,
            gauges_start,
            longest_silence_s: 0.0,
        }
    }

    fn add(&mut self, interval: &Interval) {
        let all = interval.all();
        self.ok += all.ok;
        self.changed_bytes += all.changed_bytes;
        self.errors += all.errors();
        self.aborts += all.failed[::load::Failure::Conflict as usize];
        self.retries += all.retries.iter().sum::<u64>();
        self.offered += interval.offered;
        self.dropped += interval.dropped;
        self.findings.extend(interval.findings.iter().cloned());
        self.findings_count += interval.findings_count;
    }
}

/// A record that cannot be written ends the run: nothing that was measured may be lost unsaid.
pub fn record_failure(error: record::RecordError) -> Failure {
    Failure::io(error.to_string())
}
