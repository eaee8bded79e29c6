use contract::{Key, Reply, Row, TableId};

use super::*;
use crate::testing::{loaded, run_many};

fn settings() -> Settings {
    Settings { tables: 2, rows: 500, distribution: None, seed: 1 }
}

#[test]
fn every_named_workload_runs_against_the_model_without_a_finding() {
    for name in NAMES {
        let workload = build(name, &settings()).unwrap();
        assert_eq!(workload.name(), name);
        let mut model = loaded(&*workload);
        let asked = run_many(&*workload, &mut model, 8, 600);
        assert_eq!(asked.errors, 0, "{name}");
        assert_eq!(asked.names.values().sum::<u64>(), 600);
    }
}

#[test]
fn every_workload_takes_every_distribution_and_names_it() {
    for name in NAMES {
        for distribution in Distribution::ALL {
            let workload = build(name, &Settings { distribution: Some(distribution), ..settings() }).unwrap();
            let mut model = loaded(&*workload);
            run_many(&*workload, &mut model, 2, 30);
            let recorded = workload.parameters().into_iter().find(|(name, _)| *name == "distribution").unwrap().1;
            assert_eq!(recorded.parse(), Ok(distribution), "{name}");
        }
    }
}

#[test]
fn defaults_are_those_of_the_originals() {
    let distribution = |name: &str| {
        let parameters = build(name, &settings()).unwrap().parameters();
        parameters.into_iter().find(|(name, _)| *name == "distribution").unwrap().1
    };
    assert_eq!(distribution("oltp_write_only"), "special(iterations=12,hot_percent=1,hot_share_percent=75)");
    assert_eq!(distribution("ycsb-a"), "ycsb-scrambled(theta=0.99)");
    assert_eq!(distribution("ycsb-d"), "latest(theta=0.99)");
}

#[test]
fn unknown_names_and_impossible_sizes_are_refused_with_words() {
    let error = build("tpcc", &settings()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("ycsb-a"), "{error}");
    for name in NAMES {
        let error = build(name, &Settings { rows: 1, ..settings() }).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("two rows"), "{error}");
    }
    assert!(build("oltp_insert", &Settings { tables: 0, ..settings() }).is_err());
}

#[test]
fn a_bank_that_lost_money_is_a_finding() {
    let bank = build("bank", &settings()).unwrap();
    let mut programs = bank.programs(1, 1);
    let mut check = loop {
        let program = programs.next(0);
        if program.name() == "check" {
            break program;
        }
    };
    check.step(None).unwrap();
    assert!(check.finish(&Ok(Reply::Value { value: 500 * bank::INITIAL, position: None })).is_ok());
    check.restart();
    check.step(None).unwrap();
    assert!(check.finish(&Ok(Reply::Value { value: 500 * bank::INITIAL - 1, position: None })).is_err());
}

#[test]
fn mixed_asks_every_kind_of_statement_and_the_same_again_after_a_restart() {
    let mixed = build("mixed", &Settings { rows: 60, ..settings() }).unwrap();
    let mut model = loaded(&*mixed);
    let mut programs = mixed.programs(1, 1);
    let mut kinds = std::collections::BTreeMap::new();
    for nth in 0..1_500 {
        let mut program = programs.next(nth % 3);
        let mut again = Vec::new();
        for _ in 0..2 {
            let mut trial = model.clone();
            again.push(crate::testing::run(&mut trial, &mut *program, &mut Default::default()));
            program.restart();
        }
        assert_eq!(again[0], again[1]);
        let (statements, _) = crate::testing::run(&mut model, &mut *program, &mut Default::default());
        for statement in statements {
            let text = format!("{statement:?}");
            *kinds.entry(text[..text.find(' ').unwrap()].to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 100), "{kinds:?}");
    assert!((20..120).contains(&model.rows(TableId(0)).count()), "rows come and go");
}

#[test]
fn lists_keep_what_is_appended_and_move_on_when_full() {
    let lists = build("list-append", &Settings { rows: 2, ..settings() }).unwrap();
    let mut model = loaded(&*lists);
    run_many(&*lists, &mut model, 4, 2_000);
    let all: Vec<(Key, Row)> = model.rows(TableId(0)).map(|(key, row)| (key.clone(), row.clone())).collect();
    assert!(all.len() > 8, "{} lists", all.len());
    for (key, row) in &all {
        let elements = list_append::elements_of(key, row).unwrap();
        assert!((1..=list_append::APPENDS_MAX as usize).contains(&elements.len()));
    }
    let twice = Row::new([&[[7u8; 8], [7; 8]].concat()[..]]);
    assert!(lists.verify(TableId(0), &all[0].0, &twice).is_err());
}
