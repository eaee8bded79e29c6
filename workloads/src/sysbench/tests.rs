use std::collections::BTreeSet;

use contract::Statement;

use super::*;
use crate::testing::{Asked, loaded, run, run_many};

fn oltp(script: Script) -> Oltp {
    Oltp::new(script, 3, 2_000, Distribution::Uniform, 1)
}

#[test]
fn statement_counts_are_those_of_the_real_tool() {
    // Reads, writes and other statements an event, as sysbench 1.0.20 reports them.
    let expected = [
        (Script::ReadWrite, (14, 4, 2)),
        (Script::WriteOnly, (0, 4, 2)),
        (Script::ReadOnly, (14, 0, 2)),
        (Script::UpdateIndex, (0, 1, 0)),
        (Script::UpdateNonIndex, (0, 1, 0)),
        (Script::Insert, (0, 1, 0)),
        (Script::Delete, (0, 1, 0)),
        (Script::PointSelect, (1, 0, 0)),
    ];
    for (script, (reads, writes, other)) in expected {
        let workload = oltp(script);
        let mut model = loaded(&workload);
        let asked = run_many(&workload, &mut model, 4, 200);
        let names = [(script.name(), 200)].into();
        assert_eq!(asked, Asked { reads: 200 * reads, writes: 200 * writes, other: 200 * other, names, errors: 0 });
    }
}

#[test]
fn a_read_write_event_runs_the_groups_in_order_each_on_one_table() {
    let workload = oltp(Script::ReadWrite);
    let mut model = loaded(&workload);
    let mut programs = workload.programs(3, 1);
    let mut tables_seen = BTreeSet::new();
    for _ in 0..50 {
        let (statements, _) = run(&mut model, &mut *programs.next(0), &mut Asked::default());
        let [points @ .., simple, sum, order, distinct, index, non_index, delete, insert] = &statements[..] else {
            panic!("eighteen statements");
        };
        assert_eq!(points.len(), 10);
        assert!(points.iter().all(|point| matches!(point, Statement::Get { .. })));
        assert_eq!(points.iter().map(Statement::table).collect::<BTreeSet<_>>().len(), 1, "ten points, one table");
        use contract::{Aggregate, Change, Projection};
        let projection = |statement: &Statement| match statement {
            Statement::Scan { projection, limit: 100, .. } => projection.clone(),
            other => panic!("{other:?} is no range of 100"),
        };
        assert_eq!(projection(simple), Projection::Field(FIELD_C));
        assert_eq!(projection(sum), Projection::Aggregate(Aggregate::Sum(FIELD_K)));
        assert_eq!(projection(order), Projection::Sorted(FIELD_C));
        assert_eq!(projection(distinct), Projection::Distinct(FIELD_C));
        let change = |statement: &Statement| match statement {
            Statement::Update { changes, .. } if changes.len() == 1 => changes[0].clone(),
            other => panic!("{other:?} is no update"),
        };
        assert_eq!(change(index), Change::Add { field: FIELD_K, delta: 1 });
        assert!(matches!(change(non_index), Change::Set { field: FIELD_C, .. }));
        let (Statement::Delete { table, key }, Statement::Insert { table: again, key: same, .. }) = (delete, insert)
        else {
            panic!("a delete, then an insert");
        };
        assert_eq!((table, key), (again, same), "of the same row");
        tables_seen.extend([points[0].table(), simple.table(), index.table(), delete.table()]);
    }
    assert_eq!(tables_seen.len(), 3, "groups draw their tables");
}

#[test]
fn loaded_tables_are_the_same_for_any_number_of_shards_and_look_like_sysbench() {
    let workload = oltp(Script::ReadOnly);
    let rows = |shards| -> Vec<_> {
        workload.load(shards).into_iter().flat_map(|shard| shard.rows.map(move |row| (shard.table, row))).collect()
    };
    let all = rows(1);
    assert_eq!(all.len(), 6_000);
    assert!(all.is_sorted_by(|(a, (b, _)), (c, (d, _))| (a, b) < (c, d)));
    assert_eq!(all, rows(7));
    for (_, (_, row)) in &all {
        let k = u64::from_be_bytes(row.field(0).unwrap().try_into().unwrap());
        assert!((1..=2_000).contains(&k));
        for (field, groups) in [(FIELD_C, 10), (FIELD_PAD, 5)] {
            let text = std::str::from_utf8(row.field(field.into()).unwrap()).unwrap();
            let parts: Vec<&str> = text.split('-').collect();
            assert_eq!(parts.len(), groups);
            assert!(parts.iter().all(|part| part.len() == 11 && part.bytes().all(|digit| digit.is_ascii_digit())));
        }
    }
    let mut counts = [0u32; 10];
    for digit in all.iter().flat_map(|(_, (_, row))| &row.field(1).unwrap()[..11]) {
        counts[usize::from(digit - b'0')] += 1;
    }
    // The first group of 6,000 rows: 6,600 of each digit, give or take five standard deviations.
    assert!(counts.iter().all(|count| count.abs_diff(6_600) < 400), "{counts:?}");
}

#[test]
fn k_follows_the_distribution_at_load() {
    let workload = Oltp::new(Script::ReadOnly, 1, 10_000, Distribution::Pareto { h: 0.2 }, 5);
    let low = loaded(&workload)
        .rows(TableId(0))
        .filter(|(_, row)| u64::from_be_bytes(row.field(0).unwrap().try_into().unwrap()) <= 2_000)
        .count();
    assert!((7_800..8_200).contains(&low), "{low} of 10,000 in the first fifth");
}

#[test]
fn values_tell_their_row_and_writer_and_any_changed_character_is_noticed() {
    let stamp = Stamp::new(3, 17, 123_456);
    let origin = value::Origin { table: TableId(2), id: 99, stamp };
    let c = value::c(TableId(2), 99, stamp, &mut Rng::new(1));
    let pad = value::pad(TableId(2), 99, stamp);
    assert_eq!(value::read_c(&c), Ok(origin));
    assert_eq!(value::read_pad(&pad), Ok(origin));
    assert_eq!((stamp.era(), stamp.client(), stamp.number()), (3, 17, 123_456));
    let changed = |text: &[u8], at: usize| {
        let mut text = text.to_vec();
        text[at] = if text[at] == b'9' { b'0' } else { text[at] + 1 };
        text
    };
    for at in 0..c.len() {
        assert!(value::read_c(&changed(&c, at)).is_err(), "character {at} of c");
    }
    for at in 0..pad.len() {
        assert!(value::read_pad(&changed(&pad, at)).is_err(), "character {at} of pad");
    }
    assert!(value::read_c(&c[..118]).is_err());
    assert!(value::read_pad(&c).is_err());
}

#[test]
fn a_value_of_another_row_is_a_finding() {
    let (_, other) = Oltp::loaded_row(&oltp(Script::ReadOnly).shared, TableId(0), 5);
    let workload = oltp(Script::PointSelect);
    let mut program = workload.programs(1, 1).next(0);
    program.step(None).unwrap();
    let reply = contract::Reply::Row { row: Some(other), position: None };
    let finding = program.finish(&Ok(reply)).unwrap_err();
    assert!(finding.contains("got a c of row 5"), "{finding}");
}

#[test]
fn a_missing_row_is_a_finding() {
    let workload = oltp(Script::PointSelect);
    let mut program = workload.programs(1, 1).next(0);
    program.step(None).unwrap();
    assert!(program.finish(&Ok(contract::Reply::Row { row: None, position: None })).is_err());
}

#[test]
fn a_client_asks_the_same_however_clients_interleave() {
    let workload = oltp(Script::WriteOnly);
    let mut model = loaded(&workload);
    let (mut alone, mut among) = (workload.programs(9, 1), workload.programs(9, 1));
    for nth in 0..40 {
        among.next(nth % 3);
        let ours = run(&mut model.clone(), &mut *alone.next(5), &mut Asked::default());
        assert_eq!(ours, run(&mut model, &mut *among.next(5), &mut Asked::default()));
    }
    let mut next_run = workload.programs(9, 2);
    let first = run(&mut model.clone(), &mut *workload.programs(9, 1).next(5), &mut Asked::default());
    assert_ne!(first, run(&mut model, &mut *next_run.next(5), &mut Asked::default()));
}

#[test]
fn inserts_of_later_runs_do_not_meet_those_of_earlier_ones() {
    let workload = oltp(Script::Insert);
    let mut model = loaded(&workload);
    for era in 1..4 {
        let mut programs = workload.programs(1, era);
        for nth in 0..100 {
            let (_, result) = run(&mut model, &mut *programs.next(nth % 2), &mut Asked::default());
            assert!(result.is_ok());
        }
    }
    let ranges = oltp(Script::ReadOnly);
    run_many(&ranges, &mut model, 1, 300);
}
