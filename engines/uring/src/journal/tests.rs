use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use node::{FileName, NodeId, Rng, SECTOR_BYTES};

use super::{Base, CrashImage, Cut, Journal, JournalOp, JournalRecord, Survivors};

const NODE: NodeId = NodeId(3);

fn name(text: &str) -> FileName {
    FileName::new(text)
}

/// A journal whose base holds `log`, eight sectors of zeroes that are durable under a durable name.
fn journal() -> (Journal, Base, u64) {
    let journal = Journal::default();
    let file = journal.file_named(NODE, &name("log"));
    let files = BTreeMap::from([(name("log"), (file, vec![0; 8 * SECTOR_BYTES]))]);
    (journal, BTreeMap::from([(NODE, files)]), file)
}

fn write(file: u64, sector: u64, fill: u8, durable: bool) -> JournalOp {
    let data = Bytes::from(vec![fill; SECTOR_BYTES]);
    JournalOp::Write { file, offset: sector * SECTOR_BYTES as u64, data, durable }
}

fn run(journal: &Journal, what: JournalOp) {
    let op = journal.submitted(NODE, what);
    journal.completed(op, true);
}

/// The first byte of each sector of `log`.
fn log_of(image: &CrashImage) -> Vec<u8> {
    image.nodes[&NODE][&name("log")].chunks(SECTOR_BYTES).map(|sector| sector[0]).collect()
}

fn images(base: &Base, records: &[JournalRecord]) -> BTreeSet<Vec<u8>> {
    let seeds = 0..64;
    seeds
        .map(|seed| log_of(&CrashImage::at(base, records, &Cut::together(records.len()), Survivors::Random { seed })))
        .collect()
}

#[test]
fn durable_and_synced_writes_are_in_every_image() {
    let (journal, base, file) = journal();
    run(&journal, write(file, 0, 1, true));
    run(&journal, write(file, 1, 2, false));
    run(&journal, JournalOp::Sync { file });
    let records = journal.records();
    assert_eq!(images(&base, &records), BTreeSet::from([vec![1, 2, 0, 0, 0, 0, 0, 0]]));
    let none = CrashImage::at(&base, &records, &Cut::together(0), Survivors::All);
    assert_eq!((log_of(&none), none.undecided), (vec![0; 8], 0), "nothing happened before the first record");
}

#[test]
fn a_sync_covers_only_what_completed_before_it_was_submitted() {
    let (journal, base, file) = journal();
    let early = journal.submitted(NODE, write(file, 0, 1, false));
    let sync = journal.submitted(NODE, JournalOp::Sync { file });
    journal.completed(early, true);
    journal.completed(sync, true);
    let fates = images(&base, &journal.records());
    assert_eq!(fates, BTreeSet::from([vec![1, 0, 0, 0, 0, 0, 0, 0], vec![0; 8]]));
}

#[test]
fn every_subset_of_unsynced_sectors_turns_up() {
    let (journal, base, file) = journal();
    for sector in 0..3 {
        run(&journal, write(file, sector, 1 + sector as u8, false));
    }
    assert_eq!(images(&base, &journal.records()).len(), 8);
    let all = CrashImage::at(&base, &journal.records(), &Cut::together(6), Survivors::All);
    assert_eq!((log_of(&all), all.undecided), (vec![1, 2, 3, 0, 0, 0, 0, 0], 3));
    let none = CrashImage::at(&base, &journal.records(), &Cut::together(6), Survivors::None);
    assert_eq!(log_of(&none), [0; 8]);
}

#[test]
fn a_durable_write_buries_what_completed_before_it() {
    let (journal, base, file) = journal();
    run(&journal, write(file, 0, 1, false));
    run(&journal, write(file, 0, 2, true));
    assert_eq!(images(&base, &journal.records()), BTreeSet::from([vec![2, 0, 0, 0, 0, 0, 0, 0]]));
}

#[test]
fn a_sector_in_flight_may_be_garbled_and_one_that_failed_may_have_landed() {
    let (journal, base, file) = journal();
    journal.submitted(NODE, write(file, 0, 1, true));
    let failed = journal.submitted(NODE, write(file, 1, 2, true));
    journal.completed(failed, false);
    let seen: BTreeSet<(u8, u8)> = images(&base, &journal.records()).iter().map(|log| (log[0], log[1])).collect();
    for expected in [(0, 0), (1, 0), (0, 2), (1, 2)] {
        assert!(seen.contains(&expected), "{expected:?} of {seen:?}");
    }
    assert!(seen.iter().any(|(first, second)| !matches!((first, second), (0 | 1, 0 | 2))), "no garbage in {seen:?}");
}

#[test]
fn names_are_undecided_until_the_directory_is_synced() {
    let (journal, base, _) = journal();
    let made = journal.new_file();
    run(&journal, JournalOp::Create { file: made, name: name("new"), len_bytes: 1024 });
    run(&journal, JournalOp::Remove { name: name("log") });
    let names = |records: &[JournalRecord], seed| -> Vec<String> {
        let image = CrashImage::at(&base, records, &Cut::together(records.len()), Survivors::Random { seed });
        image.nodes[&NODE].keys().map(|name| name.as_str().into()).collect()
    };
    let records = journal.records();
    let seen: BTreeSet<Vec<String>> = (0..64).map(|seed| names(&records, seed)).collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
    run(&journal, JournalOp::SyncDir);
    let records = journal.records();
    let seen: BTreeSet<Vec<String>> = (0..64).map(|seed| names(&records, seed)).collect();
    assert_eq!(seen, BTreeSet::from([vec!["new".into()]]));
}

#[test]
fn a_replaced_file_keeps_the_bytes_of_the_one_whose_name_survived() {
    let (journal, base, file) = journal();
    run(&journal, write(file, 0, 7, true));
    let second = journal.new_file();
    run(&journal, JournalOp::Create { file: second, name: name("log"), len_bytes: 512 });
    assert_eq!(journal.file_named(NODE, &name("log")), second);
    run(&journal, write(second, 0, 9, true));
    let fates = images(&base, &journal.records());
    assert_eq!(fates, BTreeSet::from([vec![7, 0, 0, 0, 0, 0, 0, 0], vec![9]]));
}

#[test]
fn a_file_being_made_may_be_absent_short_or_whole() {
    let (journal, base, _) = journal();
    let made = journal.new_file();
    journal.submitted(NODE, JournalOp::Create { file: made, name: name("log"), len_bytes: 16 * 512 });
    let fates: BTreeSet<usize> = images(&base, &journal.records()).iter().map(Vec::len).collect();
    assert!(fates.contains(&8) && fates.len() > 2 && fates.iter().all(|sectors| *sectors <= 16), "{fates:?}");
}

#[test]
fn nodes_apart_go_on_until_their_next_frame_and_no_further() {
    const OTHER: NodeId = NodeId(4);
    let journal = Journal::default();
    let files: Vec<u64> = [NODE, OTHER].iter().map(|node| journal.file_named(*node, &name("log"))).collect();
    let log = |file: u64| BTreeMap::from([(name("log"), (file, vec![0; 8 * SECTOR_BYTES]))]);
    let base = BTreeMap::from([(NODE, log(files[0])), (OTHER, log(files[1]))]);
    let at = journal.records().len();
    for sector in 0..3 {
        run(&journal, write(files[0], sector, 1, true));
        let op = journal.submitted(OTHER, write(files[1], sector, 2, true));
        journal.completed(op, true);
        if sector == 1 {
            // What NODE writes next may be an answer to this.
            journal.delivered(NODE, OTHER, Bytes::new());
        }
    }
    let records = journal.records();
    let written = |node: NodeId, image: &CrashImage| {
        image.nodes[&node][&name("log")].chunks(SECTOR_BYTES).filter(|sector| sector[0] != 0).count()
    };
    let counts = (0..2_000).map(|seed| {
        let cut = Cut::apart(&records, at, &mut Rng::new(seed));
        assert_eq!(cut.at(), at);
        let image = CrashImage::at(&base, &records, &cut, Survivors::None);
        (written(NODE, &image), written(OTHER, &image))
    });
    let counts: BTreeSet<_> = counts.collect();
    let expected = (0..=2).flat_map(|first| (0..=3).map(move |second| (first, second)));
    assert_eq!(counts, expected.collect());
}
