use contract::Statement;

use super::*;
use crate::testing::{Asked, loaded, run, run_many};

const RECORDS: u64 = 1_000;

fn ycsb(core: Core) -> Ycsb {
    Ycsb::new(core, RECORDS, RECORDS, core.distribution(), 1)
}

fn share(asked: &Asked, name: &str) -> f64 {
    asked.names.get(name).copied().unwrap_or_default() as f64 / asked.names.values().sum::<u64>() as f64
}

#[test]
fn mixes_are_those_of_the_workload_files() {
    let expected: [(Core, &[(&str, f64)]); 6] = [
        (Core::A, &[("read", 0.5), ("update", 0.5)]),
        (Core::B, &[("read", 0.95), ("update", 0.05)]),
        (Core::C, &[("read", 1.0)]),
        (Core::D, &[("read", 0.95), ("insert", 0.05)]),
        (Core::E, &[("scan", 0.95), ("insert", 0.05)]),
        (Core::F, &[("read", 0.5), ("read-modify-write", 0.5)]),
    ];
    for (core, shares) in expected {
        let workload = ycsb(core);
        let mut model = loaded(&workload);
        let asked = run_many(&workload, &mut model, 5, 2_000);
        assert_eq!(asked.errors, 0);
        assert_eq!(asked.names.len(), shares.len());
        for (name, expected) in shares {
            let measured = share(&asked, name);
            assert!((measured - expected).abs() < 0.035, "{} {name}: {measured}", core.name());
        }
        let transactions = share(&asked, "read-modify-write") * 2_000.0;
        assert_eq!(asked.other, 2 * transactions as u64, "only a read-modify-write opens a transaction");
        // One statement an operation; a read-modify-write reads and writes.
        let of = |names: &[&str]| names.iter().filter_map(|name| asked.names.get(name)).sum::<u64>();
        assert_eq!(asked.reads, of(&["read", "scan", "read-modify-write"]), "{}", core.name());
        assert_eq!(asked.writes, of(&["update", "insert", "read-modify-write"]), "{}", core.name());
    }
}

#[test]
fn scans_are_one_to_a_hundred_rows_long_each_length_as_often() {
    let mut programs = ycsb(Core::E).programs(6, 1);
    let mut lengths = [0u32; 101];
    for _ in 0..20_000 {
        let mut program = programs.next(0);
        if let contract::Step::Single(Statement::Scan { limit, .. }) = program.step(None).unwrap() {
            lengths[limit as usize] += 1;
        }
    }
    assert_eq!(lengths[0], 0);
    let scans: u32 = lengths.iter().sum();
    assert!((18_700..19_300).contains(&scans), "{scans} of 20,000");
    // 190 of each length, give or take five standard deviations.
    assert!(lengths[1..].iter().all(|count| count.abs_diff(scans / 100) < 70), "{lengths:?}");
}

#[test]
fn a_row_is_ten_fields_of_a_hundred_bytes_under_a_hashed_key() {
    let workload = ycsb(Core::C);
    let shards = workload.load(4);
    assert_eq!(shards.len(), 4);
    let rows: Vec<_> = shards.into_iter().flat_map(|shard| shard.rows).collect();
    assert_eq!(rows.len(), RECORDS as usize);
    assert!(rows.is_sorted_by(|(a, _), (b, _)| a < b), "bulk load wants key order");
    assert!(rows.iter().all(|(_, row)| row.fields().count() == 10 && row.fields().all(|field| field.len() == 100)));
    // FNV of 0 as YCSB computes it: the well-known first key of every hashed load.
    assert_eq!(value::key(0), Key::copy(b"user6284781860667377211"));
    assert!(rows.iter().any(|(key, _)| *key == value::key(0)));
}

#[test]
fn an_update_writes_one_field() {
    let workload = ycsb(Core::A);
    let mut model = loaded(&workload);
    let mut programs = workload.programs(2, 1);
    let mut updates = 0;
    for _ in 0..100 {
        let (statements, _) = run(&mut model, &mut *programs.next(0), &mut Asked::default());
        if let [Statement::Update { changes, .. }] = &statements[..] {
            assert_eq!(changes.len(), 1);
            updates += 1;
        }
    }
    assert!(updates > 30);
}

#[test]
fn reads_follow_acknowledged_inserts_only() {
    let workload = ycsb(Core::D);
    let mut model = loaded(&workload);
    let mut programs = workload.programs(4, 1);
    // An insert that is never answered holds the newest key back.
    let mut lost = loop {
        let mut program = programs.next(0);
        if program.name() == "insert" {
            program.step(None).unwrap();
            break program;
        }
        let _ = run(&mut model, &mut *program, &mut Asked::default());
    };
    let before = model.rows(USERTABLE).count() as u64;
    for _ in 0..400 {
        let mut program = programs.next(1);
        let (statements, result) = run(&mut model, &mut *program, &mut Asked::default());
        if matches!(statements[0], Statement::Get { .. }) {
            assert!(matches!(result, Ok(contract::Reply::Row { row: Some(_), .. })), "asked for a key that is there");
        }
    }
    assert!(model.rows(USERTABLE).count() as u64 > before);
    lost.finish(&Err(contract::Error::Indeterminate("the connection was lost".into()))).unwrap();
}

#[test]
fn the_acknowledged_counter_advances_over_holes_once_they_are_filled() {
    let counter = acknowledged::Acknowledged::new(10);
    assert_eq!((counter.newest(), counter.take(), counter.take(), counter.take()), (9, 10, 11, 12));
    counter.acknowledge(12);
    counter.acknowledge(11);
    assert_eq!(counter.newest(), 9);
    counter.acknowledge(10);
    assert_eq!(counter.newest(), 12);
    counter.acknowledge(10);
    assert_eq!(counter.newest(), 12);
}

#[test]
fn any_changed_byte_of_a_row_is_a_finding() {
    let key = value::key(7);
    let row = value::row(7, Stamp::new(1, 2, 3), &mut Rng::new(1));
    assert_eq!(value::verify_row(&key, &row), Ok(7));
    assert!(value::verify_row(&value::key(8), &row).is_err());
    for at in 0..FIELD_BYTES {
        let mut field = row.field(4).unwrap().to_vec();
        field[at] ^= 1;
        assert!(value::verify_row(&key, &row.with_field(4, &field).unwrap()).is_err(), "byte {at}");
    }
    let swapped = row.with_field(3, row.field(4).unwrap()).unwrap();
    assert!(value::verify_row(&key, &swapped).unwrap_err().contains("field3 holds the value of field4"));
}

#[test]
fn a_restarted_operation_asks_the_same() {
    let workload = ycsb(Core::F);
    let mut programs = workload.programs(4, 1);
    let mut program = loop {
        let program = programs.next(0);
        if program.name() == "read-modify-write" {
            break program;
        }
    };
    let mut model = loaded(&workload);
    let first = run(&mut model.clone(), &mut *program, &mut Asked::default());
    program.restart();
    assert_eq!(first, run(&mut model, &mut *program, &mut Asked::default()));
}
