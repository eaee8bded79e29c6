//! `sextant compare`: several engines, one machine, one workload, one offered load, one fault schedule.
//!
//! Each engine's capacity is found in a closed loop. Then all of them are offered the same rate, 60 % of the slowest's, in an
//! open loop, in the order ABC CBA so that drift of the machine does not favour anybody, through the same faults. At the end
//! each is crashed under load, reopened cold, and everything acknowledged is accounted for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::load::Arrivals;
use record::figures::format::duration_ns;
use record::{Phase, RunWriter, SegmentId, Verdict};

use super::args::CompareArgs;
use super::bench::{INTERVAL, QUEUE_MAX};
use super::output;
use super::plan::{Timing, run_plan};
use crate::acks::Journal;
use crate::aftermath::crash_and_check;
use crate::data::DataDir;
use crate::drive::{Drive, FaultPlan, PhaseOutcome, PhasePlan, record_failure};
use crate::engines::{self, Engine};
use crate::exit::{Exit, Failure};
use crate::printed::errln;
use crate::progress::Progress;
use crate::turn::{Common, Turn, temporary_path};
use crate::verdict::{Finding, judge_phase};

/// The common rate, as a share of the slowest engine's capacity.
const COMMON_SHARE: f64 = 0.6;

/// One engine of the comparison.
struct Contender {
    engine: Arc<dyn Engine>,
    turn: Turn,
    journal: Journal,
    /// Its segments with the phase that each is about.
    segments: Vec<(SegmentId, Phase)>,
    /// Where the crash is noted: its last measured segment.
    last: Option<SegmentId>,
    findings: Vec<Finding>,
}

struct Comparison<'a> {
    args: &'a CompareArgs,
    common: Common,
    writer: RunWriter,
    progress: Progress,
    contenders: Vec<Contender>,
}

pub(super) fn run(args: &CompareArgs) -> Result<Exit, Failure> {
    let common = Common::resolve(&args.run, &args.profile)?;
    let engines = args.engines.iter().map(|name| engines::find(name)).collect::<Result<Vec<_>, _>>()?;
    for engine in &engines {
        engine.topology(&common.setup(true))?;
        common.refuse_processes(engine.as_ref())?;
    }
    let dirs = engines.iter().map(|engine| directory(args, &common, engine.as_ref())).collect::<Result<Vec<_>, _>>()?;
    dirs.iter().for_each(output::warn_ram_disk);
    let named: Vec<&dyn Engine> = engines.iter().map(AsRef::as_ref).collect();
    let timing = Timing { duration: args.duration.0, warmup: args.warmup.0, fault: args.fault };
    let mut plan = run_plan("compare", &args.run, &common, &named, timing, &dirs[0]);
    plan.factors.arrival = "poisson".to_owned();
    let writer = RunWriter::create(&args.run.out, plan).map_err(record_failure)?;
    let contenders = Vec::new();
    let mut comparison = Comparison { args, common, writer, progress: Progress::new(false), contenders };
    match comparison.carry_out(engines.into_iter().zip(dirs)) {
        Ok(()) => comparison.finish(),
        Err(failure) => Err(output::abort(comparison.writer, failure)),
    }
}

fn directory(args: &CompareArgs, common: &Common, engine: &dyn Engine) -> Result<DataDir, Failure> {
    let kept = args.run.data_dir.as_ref().map(|parent| parent.join(engine.name()));
    let path = kept.clone().unwrap_or_else(|| temporary_path(&PathBuf::from(".sextant"), engine.name()));
    let manifest = common.manifest(engine, &path);
    match kept {
        Some(path) => DataDir::open(&path, manifest, args.run.reuse),
        None => DataDir::temporary(&path, manifest),
    }
}

impl Comparison<'_> {
    fn carry_out(&mut self, engines: impl Iterator<Item = (Arc<dyn Engine>, DataDir)>) -> Result<(), Failure> {
        self.announce();
        for (engine, dir) in engines {
            self.open(engine, dir)?;
        }
        let is_real = !self.args.run.runtime.is_simulated();
        if let Some(durable) = self.contenders.iter().find(|contender| is_real && contender.engine.is_durable()) {
            output::note_floors(&mut self.writer, durable.turn.dir.path(), &mut self.progress)?;
        }
        let rate_per_s = self.common_rate()?;
        self.measure(rate_per_s)?;
        self.crash()
    }

    fn announce(&self) {
        let profile = &self.common.profile;
        errln!("profile {}: {}", profile.name, profile.about);
        let links = profile.links();
        let median = |from, to| links.between(from, to).delay.median();
        let (near, far) = (median(node::Zone::A, node::Zone::A), median(node::Zone::A, node::Zone::B));
        let shown = |delay: node::Nanos| duration_ns(delay.0 as f64);
        errln!("median one-way delay: {} inside a zone, {} between zones", shown(near), shown(far));
    }

    fn open(&mut self, engine: Arc<dyn Engine>, dir: DataDir) -> Result<(), Failure> {
        self.progress.label(engine.name());
        let turn = Turn::open(Arc::clone(&engine), &self.common, dir, true, &mut self.progress)?;
        output::note_runtime(&mut self.writer, turn.rig.host())?;
        let journal = Journal::in_memory();
        let (segments, findings) = (Vec::new(), Vec::new());
        self.contenders.push(Contender { engine, turn, journal, segments, last: None, findings });
        let index = self.contenders.len() - 1;
        if !self.contenders[index].turn.fresh {
            let tables = self.common.workload.schema().tables.len() as u16;
            let segment = self.segment(index, 0);
            self.drive(index, segment).journal_snapshot(tables)?;
        }
        self.progress.say("settling after the load");
        self.contenders[index].turn.rig.settle(&Default::default(), 1.0, Duration::from_secs(4));
        Ok(())
    }

    fn segment(&mut self, index: usize, repeat: u32) -> SegmentId {
        let rig = &self.contenders[index].turn.rig;
        let origin_ns = self.writer.now_ns().saturating_sub(rig.now().0);
        self.writer.segment(self.contenders[index].engine.name(), &self.args.run.workload, repeat, origin_ns)
    }

    fn drive(&mut self, index: usize, segment: SegmentId) -> Drive<'_> {
        let contender = &mut self.contenders[index];
        Drive {
            rig: &mut contender.turn.rig,
            writer: &mut self.writer,
            segment,
            progress: &mut self.progress,
            acks: Some(&mut contender.journal),
        }
    }

    /// Finds every engine's capacity and the rate to offer to all of them.
    fn common_rate(&mut self) -> Result<f64, Failure> {
        let mut slowest = f64::INFINITY;
        for index in 0..self.contenders.len() {
            self.progress.label(format!("{}, capacity", self.contenders[index].engine.name()));
            let segment = self.segment(index, 0);
            let plan = PhasePlan {
                phase: Phase::Capacity,
                arrivals: Arrivals::Closed,
                length: self.args.duration.0.div_f64(2.0),
                interval: INTERVAL,
                faults: FaultPlan::default(),
                settle: true,
            };
            let outcome = self.phase(index, segment, &plan)?;
            slowest = slowest.min(outcome.throughput_per_s());
            self.contenders[index].segments.push((segment, Phase::Capacity));
        }
        if slowest <= 0.0 {
            return Err(Failure::unknown("an engine finished no transaction in the closed loop: nothing to compare"));
        }
        let rate_per_s = self.args.run.rate.unwrap_or((slowest * COMMON_SHARE).floor().max(1.0));
        let why = match self.args.run.rate {
            Some(_) => "as asked",
            None => "60 % of the slowest engine's capacity",
        };
        self.writer.info_mut().factors.rate_per_s = Some(rate_per_s);
        self.writer.save_info().map_err(record_failure)?;
        self.progress.done();
        errln!("common rate {rate_per_s:.0} txn/s, open loop: {why}");
        Ok(rate_per_s)
    }

    /// Measures every engine at the common rate through the fault, in the order ABC CBA.
    fn measure(&mut self, rate_per_s: f64) -> Result<(), Failure> {
        for repeat in 1..=self.args.repeats {
            let mut order: Vec<usize> = (0..self.contenders.len()).collect();
            if repeat % 2 == 0 {
                order.reverse();
            }
            for index in order {
                let name = self.contenders[index].engine.name();
                self.progress.label(format!("{name}, {repeat}/{}", self.args.repeats));
                let segment = self.segment(index, repeat);
                let plan = PhasePlan {
                    phase: Phase::Measure,
                    arrivals: Arrivals::Poisson { rate_per_s, queue_max: QUEUE_MAX },
                    length: self.args.duration.0,
                    interval: INTERVAL,
                    faults: FaultPlan::named(self.args.fault.name(), self.contenders[index].engine.protection()),
                    settle: true,
                };
                let outcome = self.phase(index, segment, &plan)?;
                let findings = judge_phase(self.contenders[index].engine.as_ref(), self.args.fault, &outcome);
                let contender = &mut self.contenders[index];
                contender.findings.extend(findings);
                contender.segments.push((segment, Phase::Measure));
                contender.last = Some(segment);
            }
        }
        Ok(())
    }

    fn phase(&mut self, index: usize, segment: SegmentId, plan: &PhasePlan) -> Result<PhaseOutcome, Failure> {
        let warmup = self.args.warmup.0;
        let mut drive = self.drive(index, segment);
        drive.warm_up(plan.arrivals, warmup)?;
        drive.run(plan)
    }

    /// Crashes every durable engine under load and accounts for what was acknowledged.
    fn crash(&mut self) -> Result<(), Failure> {
        for index in 0..self.contenders.len() {
            let contender = &mut self.contenders[index];
            let Some(segment) = contender.last.filter(|_| contender.engine.is_durable()) else { continue };
            self.progress.label(format!("{}, crash", contender.engine.name()));
            let workload = Arc::clone(&self.common.workload);
            let (rig, journal) = (&mut contender.turn.rig, &mut contender.journal);
            let after =
                crash_and_check(rig, workload.as_ref(), journal, &mut self.writer, segment, &mut self.progress)?;
            contender.findings.extend(Finding::of_aftermath(contender.engine.name(), &after));
            let detail = serde_json::json!({
                "acknowledged": contender.journal.count(),
                "reopen_s": after.reopen_s,
                "keys": after.durability.as_ref().map(|report| report.keys),
                "violations": after.durability.as_ref().map(|report| report.violations_count),
            });
            let now_ns = contender.turn.rig.now().0;
            self.writer.event(segment, now_ns, "durability", detail).map_err(record_failure)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Exit, Failure> {
        self.progress.done();
        let mut findings = Vec::new();
        for contender in &self.contenders {
            let verdict = Finding::verdict(&contender.findings);
            for &(segment, phase) in &contender.segments {
                self.writer.close(segment).map_err(record_failure)?;
                let metrics = self.writer.metrics_mut(segment, phase);
                metrics.durability_class = Some(contender.engine.durability_class().to_owned());
                metrics.verdict = Some(verdict);
            }
            findings.extend(contender.findings.iter().cloned());
        }
        for contender in &self.contenders {
            output::note_links(&mut self.writer, contender.engine.name(), &contender.turn.rig)?;
        }
        let verdict: Verdict = Finding::verdict(&findings);
        let dir = output::finish(self.writer, verdict, &findings)?;
        for contender in self.contenders {
            contender.turn.rig.stop()?;
        }
        output::report(&dir, verdict, self.args.run.json)
    }
}
