//! Commits of every engine on real disks, and events of the simulator with a real engine on it.
//!
//! `commit/<engine>/1 session` is one statement and its commit, from the request's arrival to the reply, as the load sees it
//! on the engine's own thread: the engine's side of a durable commit. `commit/<engine>/64 sessions` is the time per
//! transaction of sysbench write-only in a closed loop, that is, one over the throughput; work the engine has deferred by
//! then is not in it (`sextant bench` waits for that). `simulator/decoupled` is the time per simulated event.
//!
//! Under `cargo test` each case runs once on a small database, and must commit.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use harness::engines::{self, DATABASE, Options, Setup};
use harness::rig::{LoadPlan, Rig, RuntimeKind, Site, Threads, bulk_load};
use load::{Interval, Phase};
use node::LinkProfile;
use record::bench::Session;
use workloads::{Distribution, Settings, Workload};

const ENGINES: [&str; 3] = ["coupled", "coupled-mirrored", "decoupled"];
const SEED: u64 = 7;
/// How often the load is asked how far it is.
const LOOK: Duration = Duration::from_millis(1);

/// How much is loaded.
#[derive(Clone, Copy)]
struct Size {
    tables: u16,
    rows: u64,
}

/// As criterion has it: without `--bench`, or with `--test`, each case runs once.
fn size() -> Size {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    if has("--bench") && !has("--test") { Size { tables: 4, rows: 25_000 } } else { Size { tables: 1, rows: 200 } }
}

/// An engine with its rows, under load.
fn at_work(engine: &str, script: &str, sessions: u32, runtime: RuntimeKind, dir: &Path) -> Rig {
    let Size { tables, rows } = size();
    let settings = Settings { tables, rows, distribution: Some(Distribution::Uniform), seed: SEED };
    let workload: Arc<dyn Workload> = workloads::build(script, &settings).expect("a known workload").into();
    let setup = Setup {
        schema: workload.schema(),
        cache_bytes: 256 << 20,
        page_bytes: 16 << 10,
        seed: SEED,
        create: true,
        era: 0,
        options: Options::default(),
    };
    let site = Site {
        runtime,
        data_dirs: vec![dir.to_owned()],
        links: LinkProfile::none(),
        disk_delay: None,
        threads: Threads::Shared,
        backend: uring::Backend::Auto,
        journal: false,
        seed: SEED,
    };
    let config = load::Config { seed: SEED, ..load::Config::closed(DATABASE, sessions) };
    let plan = LoadPlan { config, workload: Arc::clone(&workload), era: 1 };
    let mut rig = Rig::start(engines::find(engine).expect("a known engine"), &setup, &site, &plan).expect("a start");
    bulk_load(&mut rig, workload.as_ref(), |_| {}).expect("rows");
    rig.load(|core| core.set_phase(Phase::Measure)).expect("a load");
    rig
}

/// Lets the load run until `count` transactions have succeeded.
fn transactions(rig: &mut Rig, count: u64) -> Interval {
    let now = rig.now();
    rig.load(move |core| core.take_interval(now)).expect("a load");
    loop {
        rig.sleep(LOOK);
        let now = rig.now();
        let done = rig.load(move |core| {
            let ok: u64 = core.interval().ops.iter().map(|op| op.ok).sum();
            (ok >= count).then(|| core.take_interval(now))
        });
        if let Some(interval) = done.expect("a load") {
            assert_eq!(interval.findings, Vec::<String>::new());
            return interval;
        }
        assert_eq!(rig.halted(), None, "an engine at work");
    }
}

fn commits(criterion: &mut Criterion, session: &mut Session) {
    for engine in ENGINES {
        let mut group = criterion.benchmark_group(format!("commit/{engine}"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(1));
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let mut rig = None;
        group.bench_function("1 session", |bencher| {
            let rig = rig.get_or_insert_with(|| {
                at_work(engine, "oltp_update_non_index", 1, RuntimeKind::Real, &dir.path().join("one"))
            });
            bencher.iter_custom(|count| {
                let all = transactions(rig, count).all();
                if size().rows > 1000 {
                    let case = format!("commit/{engine}/1 session p50");
                    session.note(&case, all.service.value_at_quantile(0.5) as f64, "ns", all.ok);
                }
                Duration::from_nanos((all.service.mean() * count as f64) as u64)
            });
        });
        stop(rig.take());
        group.bench_function("64 sessions", |bencher| {
            let rig = rig.get_or_insert_with(|| {
                at_work(engine, "oltp_write_only", 64, RuntimeKind::Real, &dir.path().join("many"))
            });
            bencher.iter_custom(|count| {
                let interval = transactions(rig, count);
                let took = interval.end.saturating_sub(interval.start);
                Duration::from_nanos((took.0 as f64 * count as f64 / interval.all().ok as f64) as u64)
            });
        });
        stop(rig);
        group.finish();
    }
}

fn simulator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulator");
    group.sample_size(10);
    group.throughput(Throughput::Elements(1));
    for engine in ["coupled", "decoupled"] {
        let mut rig = None;
        group.bench_function(engine, |bencher| {
            let rig = rig
                .get_or_insert_with(|| at_work(engine, "oltp_write_only", 64, RuntimeKind::Sim, Path::new("unused")));
            bencher.iter_custom(|count| {
                let events = |rig: &Rig| rig.host().events().expect("a simulated world counts its events");
                let (began, before) = (Instant::now(), events(rig));
                while events(rig) - before < count {
                    rig.sleep(Duration::from_micros(200));
                }
                began.elapsed().mul_f64(count as f64 / (events(rig) - before) as f64)
            });
        });
        stop(rig);
    }
    group.finish();
}

fn stop(rig: Option<Rig>) {
    if let Some(rig) = rig {
        rig.stop().expect("a stop in order");
    }
}

fn main() {
    let mut session = Session::start("commit");
    let mut criterion = Criterion::default().configure_from_args();
    commits(&mut criterion, &mut session);
    simulator(&mut criterion);
    criterion.final_summary();
    session.finish().expect("the table beside criterion's files");
}
