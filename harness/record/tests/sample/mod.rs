//! A plausible run, written through the real [`RunWriter`]: three engines drawn from simple queueing models, with
//! the loss of a zone and a crash. It tests the writer, the reader, the report and the notebook; its figures are
//! made up and never leave the tests.

use std::path::{Path, PathBuf};

use record::schema::Site;
use record::{
    EngineInfo, Factors, Fault, Floor, IntervalInput, Io, LatencyBook, LatencyKind, Metrics, Phase, Recovery, Resource,
    RunPlan, RunWriter, SegmentId, Span, Status, Verdict,
};
use serde_json::json;

const MS: u64 = 1_000_000;
const INTERVAL_NS: u64 = 250 * MS;
const WARMUP_NS: u64 = 1_000 * MS;
const WINDOW_NS: u64 = 10_000 * MS;
const RATE_PER_S: f64 = 1_500.0;
const SESSIONS: usize = 32;
/// The floor that a commit of one copy is held against.
const ONE_COPY: &str = "durable write, one copy";
const WORKLOAD: &str = "sysbench-write-only";

/// How one made-up engine behaves.
struct Model {
    name: &'static str,
    durability_class: &'static str,
    protection: &'static str,
    service_p50_ns: f64,
    /// Spread of the logarithm of service times.
    sigma: f64,
    /// Factor on service times while the zone is away.
    degraded: f64,
    /// How long everything stands still when the zone goes.
    stall_ns: u64,
    recovery_s: f64,
    /// Node, role, site, zone, class; writes, bytes, syncs, sends, bytes, each for one transaction.
    io: &'static [IoModel],
}

type IoModel = (&'static str, &'static str, Site, &'static str, &'static str, [f64; 5]);

const MODELS: [Model; 3] = [
    Model {
        name: "coupled",
        durability_class: "1 copy, 1 zone",
        protection: "not protected",
        service_p50_ns: 420_000.0,
        sigma: 0.35,
        degraded: 1.0,
        stall_ns: 0,
        recovery_s: 1.84,
        io: &[
            ("db", "compute", Site::Database, "az-a", "redo", [0.31, 2_480.0, 0.31, 0.0, 0.0]),
            ("db", "compute", Site::Database, "az-a", "data_page", [0.92, 15_073.0, 0.02, 0.0, 0.0]),
            ("db", "compute", Site::Database, "az-a", "double_write", [0.12, 15_073.0, 0.02, 0.0, 0.0]),
            ("db", "compute", Site::Database, "az-a", "metadata", [0.01, 41.0, 0.01, 0.0, 0.0]),
            ("db", "compute", Site::Database, "az-a", "client", [0.0, 0.0, 0.0, 9.0, 1_900.0]),
        ],
    },
    Model {
        name: "coupled-mirrored",
        durability_class: "4 of 4 copies, 2 zones",
        protection: "stops, then detaches",
        service_p50_ns: 4_600_000.0,
        sigma: 0.25,
        degraded: 0.55,
        stall_ns: 1_500 * MS,
        recovery_s: 2.31,
        io: &[
            ("db", "compute", Site::Database, "az-a", "redo", [0.0, 0.0, 0.0, 1.24, 9_920.0]),
            ("db", "compute", Site::Database, "az-a", "binlog", [0.0, 0.0, 0.0, 0.62, 1_204.0]),
            ("db", "compute", Site::Database, "az-a", "data_page", [0.0, 0.0, 0.0, 3.7, 60_292.0]),
            ("db", "compute", Site::Database, "az-a", "double_write", [0.0, 0.0, 0.0, 0.48, 60_292.0]),
            ("volume-a", "volume", Site::Storage, "az-a", "mirror", [1.47, 32_677.0, 0.66, 1.47, 32_677.0]),
            ("mirror-a", "volume", Site::Storage, "az-a", "mirror", [1.47, 32_677.0, 0.66, 0.0, 0.0]),
            ("volume-b", "volume", Site::Storage, "az-b", "mirror", [1.1, 24_600.0, 0.5, 1.1, 24_600.0]),
            ("mirror-b", "volume", Site::Storage, "az-b", "mirror", [1.1, 24_600.0, 0.5, 0.0, 0.0]),
        ],
    },
    Model {
        name: "decoupled",
        durability_class: "4 of 6 copies, 3 zones",
        protection: "masked",
        service_p50_ns: 1_350_000.0,
        sigma: 0.4,
        degraded: 1.15,
        stall_ns: 90 * MS,
        recovery_s: 0.212,
        io: &[
            ("db", "compute", Site::Database, "az-a", "log_shipping", [0.0, 0.0, 0.0, 2.1, 4_410.0]),
            ("db", "compute", Site::Database, "az-a", "page_read", [0.0, 0.0, 0.0, 0.02, 2.0]),
            ("storage-a1", "storage", Site::Storage, "az-a", "hot_log", [0.35, 1_433.0, 0.35, 0.35, 30.0]),
            ("storage-a2", "storage", Site::Storage, "az-a", "hot_log", [0.35, 1_433.0, 0.35, 0.35, 30.0]),
            ("storage-b1", "storage", Site::Storage, "az-b", "hot_log", [0.25, 1_003.0, 0.25, 0.25, 22.0]),
            ("storage-b2", "storage", Site::Storage, "az-b", "hot_log", [0.25, 1_003.0, 0.25, 0.25, 22.0]),
            ("storage-c1", "storage", Site::Storage, "az-c", "hot_log", [0.35, 1_433.0, 0.35, 0.35, 30.0]),
            ("storage-c2", "storage", Site::Storage, "az-c", "hot_log", [0.35, 1_433.0, 0.35, 0.35, 30.0]),
            ("storage-a1", "storage", Site::Storage, "az-a", "coalesced_page", [0.4, 6_553.0, 0.01, 0.0, 0.0]),
            ("storage-b1", "storage", Site::Storage, "az-b", "coalesced_page", [0.3, 4_915.0, 0.01, 0.0, 0.0]),
            ("storage-c1", "storage", Site::Storage, "az-c", "coalesced_page", [0.4, 6_553.0, 0.01, 0.0, 0.0]),
            ("storage-b1", "storage", Site::Storage, "az-b", "gossip", [0.1, 430.0, 0.1, 0.08, 700.0]),
        ],
    },
];

/// Writes the run under `parent` and returns its directory.
pub fn write(parent: &Path) -> PathBuf {
    let mut run = RunWriter::create(parent, plan()).expect("the parent can be written");
    let mut origin_ns = 0;
    let mut random = Random(42);
    for model in &MODELS {
        let id = run.segment(model.name, WORKLOAD, 0, origin_ns);
        capacity(&mut run, id, model, &mut random);
        run.close(id).unwrap();
        origin_ns += WARMUP_NS + WINDOW_NS / 2;
    }
    let order = [0, 1, 2, 2, 1, 0];
    for (turn, index) in order.into_iter().enumerate() {
        let model = &MODELS[index];
        let id = run.segment(model.name, WORKLOAD, 1 + (turn / MODELS.len()) as u32, origin_ns);
        turn_of(&mut run, id, model, &mut random);
        origin_ns += WARMUP_NS + WINDOW_NS + 2_000 * MS;
    }
    run.notice("thread-pool disk: io_uring was refused").unwrap();
    // The made-up clock ran ahead of the real one; the record's own end must not lie before its last interval.
    run.finish(Status::Ok, Some(Verdict::Ok), Vec::new()).unwrap()
}

fn plan() -> RunPlan {
    let engine = |model: &Model| EngineInfo {
        name: model.name.into(),
        durability_class: model.durability_class.into(),
        protection: model.protection.into(),
        placement: if model.name == "coupled" { "1 copy, one device" } else { "several copies, one device" }.into(),
        floor: (model.name != "coupled-mirrored").then(|| ONE_COPY.into()),
        params: json!({ "page_bytes": 16_384 }),
    };
    RunPlan {
        command: "compare".into(),
        reproduce: "cargo run --release -- compare --seed 42".into(),
        seed: 42,
        factors: Factors {
            runtime: "real".into(),
            profile: "three-az".into(),
            fault: "az-loss az-b".into(),
            distribution: "uniform".into(),
            arrival: "poisson".into(),
            sessions: Some(SESSIONS as u32),
            rate_per_s: Some(RATE_PER_S),
            duration_s: Some(10.0),
            warmup_s: Some(1.0),
            tables: Some(4),
            rows: Some(100_000),
            cache_bytes: Some(256 << 20),
        },
        engines: MODELS.iter().map(engine).collect(),
        config: json!({ "profile": { "name": "three-az", "a_b_us": 650 } }),
        data_dir: Some(std::env::temp_dir()),
        floors: vec![Floor {
            name: ONE_COPY.into(),
            method: "io_uring".into(),
            samples: 400,
            p50_ns: 160_000,
            p99_ns: 410_000,
            per_s: 6_100.0,
            buffered: false,
        }],
        limits: vec![
            "Sample data: every figure here was made up by a test.".into(),
            "Six copies on one device.".into(),
            "Both engines come from the same authors.".into(),
        ],
        ..RunPlan::default()
    }
}

/// One finished operation, on the segment's clock.
struct Operation {
    kind: usize,
    intended_ns: u64,
    sent_ns: u64,
    done_ns: u64,
    ok: bool,
}

const OPS: [&str; 3] = ["index_update", "delete_insert", "non_index_update"];

fn capacity(run: &mut RunWriter, id: SegmentId, model: &Model, random: &mut Random) {
    let mut operations = Vec::new();
    let end_ns = WARMUP_NS + WINDOW_NS / 2;
    for _ in 0..SESSIONS {
        let mut now_ns = 0;
        while now_ns < end_ns {
            // Under full load queues at the engine make service times longer.
            let service_ns = (model.service_p50_ns * 3.0 * random.log_normal(model.sigma)) as u64;
            let kind = random.below(OPS.len());
            operations.push(Operation {
                kind,
                intended_ns: now_ns,
                sent_ns: now_ns,
                done_ns: now_ns + service_ns,
                ok: true,
            });
            now_ns += service_ns;
        }
    }
    record(
        run,
        id,
        &mut operations,
        None,
        |start_ns| if start_ns < WARMUP_NS { Phase::Warmup } else { Phase::Capacity },
        end_ns,
    );
}

fn turn_of(run: &mut RunWriter, id: SegmentId, model: &Model, random: &mut Random) {
    let end_ns = WARMUP_NS + WINDOW_NS;
    let lost_ns = WARMUP_NS + WINDOW_NS * 4 / 10;
    let back_ns = WARMUP_NS + WINDOW_NS * 7 / 10;
    let mut operations = Vec::new();
    let mut intended_ns = 0;
    while intended_ns < end_ns {
        intended_ns += (random.exponential() / RATE_PER_S * 1e9) as u64;
        let sent_ns = intended_ns + (40_000.0 * random.log_normal(0.5)) as u64;
        let is_degraded = (lost_ns..back_ns).contains(&sent_ns);
        let factor = if is_degraded { model.degraded } else { 1.0 };
        let mut service_ns = (model.service_p50_ns * factor * random.log_normal(model.sigma)) as u64;
        if random.below(400) == 0 {
            service_ns += 6 * MS;
        }
        let stalled_until_ns = lost_ns + model.stall_ns;
        let mut done_ns = sent_ns + service_ns;
        if (lost_ns..stalled_until_ns).contains(&done_ns) {
            done_ns = stalled_until_ns + service_ns;
        }
        let ok = !(is_degraded && model.stall_ns > 1_000 * MS && random.below(200) == 0);
        operations.push(Operation { kind: random.below(OPS.len()), intended_ns, sent_ns, done_ns, ok });
    }
    let phase = |start_ns| if start_ns < WARMUP_NS { Phase::Warmup } else { Phase::Measure };
    record(run, id, &mut operations, Some(RATE_PER_S), phase, end_ns);
    let ok = operations.iter().filter(|op| op.ok && (WARMUP_NS..end_ns).contains(&op.done_ns)).count() as f64;
    run.io(id, io_rows(model, ok)).unwrap();
    for (fault_id, kind, inject_ns, heal_ns, expected) in
        [("az-b", "az-loss", lost_ns, Some(back_ns), model.protection), ("crash", "crash", end_ns, None, "recovered")]
    {
        let fault = Fault {
            fault_id: fault_id.into(),
            kind: kind.into(),
            target: if kind == "crash" { "db" } else { "az-b" }.into(),
            az: (kind != "crash").then(|| "az-b".into()),
            t_inject_s: run.seconds_of(id, inject_ns),
            t_effective_s: Some(run.seconds_of(id, inject_ns)),
            t_heal_s: heal_ns.map(|ns| run.seconds_of(id, ns)),
            params_json: "{}".into(),
            expected: expected.into(),
        };
        run.fault(id, fault).unwrap();
    }
    run.event(id, end_ns, "crash", json!({ "caches": "dropped" })).unwrap();
    run.metrics_mut(id, Phase::Measure).user_bytes_per_txn = Some(420.0);
    run.close(id).unwrap();
    let recovery = Recovery {
        fault_id: "crash".into(),
        metric: "reopen_s".into(),
        baseline: None,
        worst: Some(model.recovery_s),
        t_detect_s: None,
        t_recover95_s: None,
        area_lost_ops: None,
        errors: None,
    };
    run.recovery(id, &recovery).unwrap();
    let decoupled = model.name == "decoupled";
    *run.metrics_mut(id, Phase::Measure) = Metrics {
        aborts: Some(0),
        retries: Some(random.below(20) as u64),
        cpu_database_s_per_txn: Some(if decoupled { 61e-6 } else { 74e-6 }),
        cpu_storage_s_per_txn: decoupled.then_some(118e-6),
        cpu_load_s_per_txn: Some(9e-6),
        hit_ratio: Some(0.9987),
        deferred_dirty_pages_start: (!decoupled).then_some(12),
        deferred_dirty_pages_end: (!decoupled).then_some(5_310),
        deferred_records_start: decoupled.then_some(2_000),
        deferred_records_end: decoupled.then_some(61_500),
        deferred_log_bytes_start: Some(8_000_000),
        deferred_log_bytes_end: Some(63_000_000),
        settle_s: Some(0.84),
        cpu_busy_ratio: Some(0.62),
        cpu_others_ratio: Some(0.03),
        thread_busy_ratio: Some(0.41),
        device_busy_ratio: Some(0.35),
        degraded_class: (model.name == "coupled-mirrored").then(|| "2 of 2 copies, 1 zone".into()),
        recovery_s: Some(model.recovery_s),
        deferred_dirty_pages: (!decoupled).then_some(3_120),
        deferred_records: decoupled.then_some(18_240),
        deferred_log_bytes: Some(41_000_000),
        bottleneck: Some("offered load".into()),
        verdict: Some(Verdict::Ok),
        ..run.metrics_mut(id, Phase::Measure).clone()
    };
}

/// Hands the operations to the writer interval by interval, as a harness would.
fn record(
    run: &mut RunWriter,
    id: SegmentId,
    operations: &mut [Operation],
    rate: Option<f64>,
    phase: impl Fn(u64) -> Phase,
    end_ns: u64,
) {
    operations.sort_by_key(|op| op.done_ns);
    let mut book = LatencyBook::new(&[LatencyKind::Service, LatencyKind::Response]);
    let slots = OPS.map(|op| book.op(op));
    for start_ns in (0..end_ns).step_by(INTERVAL_NS as usize) {
        let until_ns = start_ns + INTERVAL_NS;
        let mut lag = record::latency::new_histogram();
        for slot in slots {
            let counts = book.counts_mut(slot);
            (counts.late, counts.dropped) = (rate.map(|_| 0), rate.map(|_| 0));
        }
        let first = operations.partition_point(|op| op.done_ns < start_ns);
        let last = operations.partition_point(|op| op.done_ns < until_ns);
        for op in &operations[first..last] {
            book.complete(slots[op.kind], op.ok, op.done_ns - op.sent_ns, op.done_ns - op.intended_ns);
            lag.saturating_record(op.sent_ns - op.intended_ns);
        }
        let overlap = |op: &Operation| op.done_ns.min(until_ns).saturating_sub(op.sent_ns.max(start_ns));
        let in_flight = operations[first..].iter().map(overlap).sum::<u64>() as f64 / INTERVAL_NS as f64;
        let ops = book.swap();
        let input = IntervalInput {
            phase: phase(start_ns),
            span: Span { start_ns, len_ns: INTERVAL_NS },
            offered_per_s: rate,
            in_flight_mean: Some(in_flight),
            sched_lag: rate.map(|_| &lag),
            ops: &ops,
        };
        run.interval(id, &input).unwrap();
        book.recycle(ops);
        run.resources(id, until_ns, vec![process(until_ns)]).unwrap();
    }
}

fn process(at_ns: u64) -> Resource {
    Resource {
        t_s: 0.0,
        node: "process".into(),
        role: "all".into(),
        cpu_s: Some(at_ns as f64 / 1e9 * 0.6),
        rss_bytes: Some(310 << 20),
        read_bytes: None,
        write_bytes: Some(at_ns / 40),
        read_ios: None,
        write_ios: Some(at_ns / 400_000),
        fsyncs: Some(at_ns / 900_000),
        net_tx_bytes: None,
        net_rx_bytes: None,
        log_bytes: None,
        page_bytes: None,
        queue_depth: Some(3),
    }
}

fn io_rows(model: &Model, ok: f64) -> Vec<Io> {
    let rows = model.io.iter().map(|(node, role, site, az, class, per_txn)| {
        let count = |per_txn: f64| (per_txn * ok).round() as u64;
        Io {
            phase: Phase::Measure,
            node: (*node).into(),
            role: (*role).into(),
            site: *site,
            az: (*az).into(),
            class: (*class).into(),
            reads: 0,
            read_bytes: 0,
            writes: count(per_txn[0]),
            write_bytes: count(per_txn[1]),
            syncs: count(per_txn[2]),
            sends: count(per_txn[3]),
            send_bytes: count(per_txn[4]),
        }
    });
    rows.collect()
}

/// A small generator of its own (Knuth's MMIX constants), so that the sample never changes with a crate's version.
pub struct Random(pub u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f64 + 0.5) / f64::from(1 << 24)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }

    fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    fn log_normal(&mut self, sigma: f64) -> f64 {
        let normal = (-2.0 * self.uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.uniform()).cos();
        (sigma * normal).exp()
    }
}
