//! Commits of every engine on real disks.
//!
//! `commit/<engine>/1 session` is one statement and its commit, from the request's arrival to the reply, as the load sees it
//! on the engine's own thread: the engine's side of a durable commit. `commit/<engine>/64 sessions` is the time per
//! transaction of sysbench write-only in a closed loop, that is, one over the throughput; work the engine has deferred by
//! then is not in it (`sextant bench` waits for that).
//!
//! Under `cargo test` each case runs once on a small database, and must commit.

mod at_work;

use std::time::Duration;

use at_work::{ENGINES, Size, at_work, is_measured, stop};
use criterion::{Criterion, Throughput};
use harness::rig::{Rig, RuntimeKind};
use load::Interval;
use record::bench::Session;

/// How often the load is asked how far it is.
const LOOK: Duration = Duration::from_millis(1);

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
    let size = if is_measured() { Size { tables: 4, rows: 25_000 } } else { Size { tables: 1, rows: 200 } };
    for engine in ENGINES {
        let mut group = criterion.benchmark_group(format!("commit/{engine}"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(1));
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let mut rig = None;
        group.bench_function("1 session", |bencher| {
            let rig = rig.get_or_insert_with(|| {
                at_work(engine, "oltp_update_non_index", size, 1, RuntimeKind::Real, &dir.path().join("one"))
            });
            bencher.iter_custom(|count| {
                let all = transactions(rig, count).all();
                if is_measured() {
                    let case = format!("commit/{engine}/1 session p50");
                    session.note(&case, all.service.value_at_quantile(0.5) as f64, "ns", all.ok);
                }
                Duration::from_nanos((all.service.mean() * count as f64) as u64)
            });
        });
        stop(rig.take());
        group.bench_function("64 sessions", |bencher| {
            let rig = rig.get_or_insert_with(|| {
                at_work(engine, "oltp_write_only", size, 64, RuntimeKind::Real, &dir.path().join("many"))
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

fn main() {
    let mut session = Session::start("commit");
    let mut criterion = Criterion::default().configure_from_args();
    commits(&mut criterion, &mut session);
    criterion.final_summary();
    session.finish().expect("the table beside criterion's files");
}
