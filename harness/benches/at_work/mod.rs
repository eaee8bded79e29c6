//! An engine at work, for every benchmark that needs one.
#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::path::Path;
use std::sync::Arc;

use harness::engines::{self, DATABASE, Options, Setup};
use harness::rig::{LoadPlan, Rig, RuntimeKind, Site, Threads, bulk_load};
use load::Phase;
use node::LinkProfile;
use workloads::{Distribution, Settings, Workload};

pub const ENGINES: [&str; 3] = ["coupled", "coupled-mirrored", "decoupled"];
const SEED: u64 = 7;

/// How much is loaded.
#[derive(Clone, Copy)]
pub struct Size {
    pub tables: u16,
    pub rows: u64,
}

/// As criterion has it: without `--bench`, or with `--test`, each case runs once.
pub fn is_measured() -> bool {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    has("--bench") && !has("--test")
}

/// An engine with its rows, under load.
pub fn at_work(engine: &str, script: &str, size: Size, sessions: u32, runtime: RuntimeKind, dir: &Path) -> Rig {
    let Size { tables, rows } = size;
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
        queue_depth: None,
        processes: None,
        journal: None,
        seed: SEED,
    };
    let config = load::Config { seed: SEED, ..load::Config::closed(DATABASE, sessions) };
    let plan = LoadPlan { config, workload: Arc::clone(&workload), era: 1 };
    let mut rig = Rig::start(engines::find(engine).expect("a known engine"), &setup, &site, &plan).expect("a start");
    bulk_load(&mut rig, workload.as_ref(), |_| {}).expect("rows");
    rig.load(|core| core.set_phase(Phase::Measure)).expect("a load");
    rig
}

pub fn stop(rig: Option<Rig>) {
    if let Some(rig) = rig {
        rig.stop().expect("a stop in order");
    }
}
