//! One client against the model: no difference, however small pages and cache are.

use contract::{Error, Mode, Model, Projection, Reply, Statement, TableId, Verb};
use node::Rng;

use super::draws::{Draw, schema};
use super::memory::Knobs;
use super::world::{World, tiny};
use crate::Stats;

/// Runs random transactions on both and compares every answer, then everything there is, then again after a restart.
fn mirror(transactions: u32, seed: u64, draw: Draw, knobs: Knobs) -> Stats {
    let config = tiny(schema(), knobs.page_bytes);
    let mut world = World::new(config.clone(), knobs.clone(), seed);
    let mut model = Model::new(schema());
    let mut rng = Rng::new(seed).fork("program", 0);
    for number in 0..transactions {
        for verb in transaction(&mut rng, draw) {
            let (expected, actual) = (model.apply(&verb), world.call(1, verb.clone()));
            let fails = !matches!(&actual, Ok(_) | Err(Error::DuplicateKey));
            assert_eq!(bare(actual), bare(expected), "seed {seed}, transaction {number}: {verb:?}");
            if fails {
                break;
            }
        }
    }
    compare_all(&mut world, &mut model);
    let stats = world.node.stats();
    let mut reopened = World::over(config, knobs, seed + 1, world.node.storage().disk());
    compare_all(&mut reopened, &mut model);
    stats
}

fn transaction(rng: &mut Rng, draw: Draw) -> Vec<Verb> {
    if rng.chance(0.3) {
        return vec![Verb::Single(draw.statement(rng))];
    }
    let mode = if rng.chance(0.2) { Mode::Locking } else { Mode::Optimistic };
    let mut verbs = vec![Verb::Begin(mode)];
    verbs.extend((0..rng.below(6)).map(|_| Verb::Execute(draw.statement(rng))));
    verbs.push(if rng.chance(0.1) { Verb::Rollback } else { Verb::Commit });
    verbs
}

fn bare(result: Result<Reply, Error>) -> Result<Reply, Error> {
    result.map(Reply::without_position)
}

fn compare_all(world: &mut World, model: &mut Model) {
    for table in [TableId(0), TableId(1)] {
        let all = Statement::Scan {
            table,
            from: contract::Key::copy(b""),
            to: None,
            limit: u32::MAX,
            projection: Projection::Rows,
        };
        let verb = Verb::Single(all);
        assert_eq!(bare(world.call(2, verb.clone())), bare(model.apply(&verb)));
    }
    for index in [0, 1] {
        let all = Statement::IndexScan {
            table: TableId(0),
            index: contract::IndexId(index),
            from: bytes::Bytes::new(),
            to: None,
            limit: u32::MAX,
            projection: Projection::Rows,
        };
        let verb = Verb::Single(all);
        assert_eq!(bare(world.call(2, verb.clone())), bare(model.apply(&verb)));
    }
    assert!(world.node.is_idle());
}

#[test]
fn ten_thousand_serial_transactions_are_as_the_model_says_with_tiny_pages_and_a_tiny_cache() {
    let draw = Draw { keys: 600, text_bytes_max: 40, writes_of_ten: 6 };
    let stats = mirror(10_000, 1, draw, Knobs::quick(512));
    assert!(stats.commits > 4_000 && stats.commits_read_only > 4_000, "{stats:?}");
    assert!(stats.evictions > 10_000 && stats.parks_page > 10_000, "{stats:?}");
    assert!(stats.splits > 100 && stats.merges > 20, "{stats:?}");
    assert_eq!((stats.aborts_validation, stats.aborts_deadlock, stats.lock_waits), (0, 0, 0), "{stats:?}");
}

#[test]
fn slow_flushes_fences_and_reservations_change_nothing() {
    for seed in 0..4 {
        let draw = Draw { keys: 200, text_bytes_max: 60, writes_of_ten: 7 };
        let knobs =
            Knobs { flush_us_max: 400, allocation_limit: 20, reserve_pages: 2, fence_waits: 0.5, ..Knobs::quick(1024) };
        let stats = mirror(600, seed, draw, knobs);
        assert!(stats.parks_reservation > 5 && stats.reads_fenced > 20, "{stats:?}");
    }
}
