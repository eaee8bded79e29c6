//! A real log on a real ring, recorded; then opened from what power losses at random moments would have left.

mod nodes;

use std::collections::BTreeSet;
use std::sync::mpsc::{Sender, channel};

use node::{Block, DiskOp, DiskReply, Effects, Event, FileId, IoClass, Member, NodeId, Rng, SECTOR_BYTES, Token};
use nodes::{CLASS, acting, config, data_dir, diskless, member, name, next, number_frame, number_of, topology};
use uring::{CrashImage, Cut, JournalConfig, JournalOp, JournalRecord, Runtime, Survivors};

const LOG_NODE: NodeId = NodeId(0);
const CLIENT: NodeId = NodeId(1);
const LOG: FileId = FileId(1);
const ENTRIES: u64 = 60;

fn log_block(number: u64) -> Block {
    let mut block = Block::zeroed(2 * SECTOR_BYTES);
    block.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&(number + 1).to_le_bytes()));
    block
}

fn append(number: u64) -> DiskOp {
    // Even entries are durable by themselves; odd ones wait for the sync that follows them.
    let offset = number * 2 * SECTOR_BYTES as u64;
    DiskOp::Write { file: LOG, offset, data: log_block(number), durable: number.is_multiple_of(2) }
}

/// Makes a log and appends entries, telling the client of each one that is durable.
fn log_node() -> Member {
    member(LOG_NODE.0, |_| {
        acting(0u64, |entry, _, event, out: &mut Effects| {
            let Event::Disk { token, result } = event else {
                let len_bytes = ENTRIES * 2 * SECTOR_BYTES as u64;
                return out.disk(Token(1), DiskOp::Create { file: LOG, name: name("log"), len_bytes }, CLASS);
            };
            result.expect("a healthy disk");
            match token.0 {
                1 => out.disk(Token(2), DiskOp::SyncDir, CLASS),
                3 if !entry.is_multiple_of(2) => out.disk(Token(4), DiskOp::Sync { file: LOG }, CLASS),
                _ => {
                    if token.0 > 2 {
                        out.send(CLIENT, number_frame(*entry), IoClass::Client);
                        *entry += 1;
                    }
                    if *entry < ENTRIES {
                        out.disk(Token(3), append(*entry), IoClass::Redo);
                    }
                }
            }
        })
    })
}

fn client(done: Sender<u64>) -> Member {
    diskless(CLIENT.0, node::Zone::A, move |_| {
        let done = done.clone();
        acting((), move |(), _, event, _: &mut Effects| {
            if let Event::Frame { frame, .. } = event
                && number_of(&frame) + 1 == ENTRIES
            {
                done.send(ENTRIES).expect("the test waits");
            }
        })
    })
}

/// Reads the whole log and reports which entries are whole.
fn reader(done: Sender<Option<Vec<u64>>>) -> Member {
    member(LOG_NODE.0, move |_| {
        let done = done.clone();
        acting((), move |(), _, event, out: &mut Effects| match event {
            Event::Start => out.disk(Token(1), DiskOp::Open { file: LOG, name: name("log") }, CLASS),
            Event::Disk { result: Ok(DiskReply::Opened { len_bytes: 1.. }), .. } => {
                let len_bytes = ENTRIES as usize * 2 * SECTOR_BYTES;
                out.disk(Token(2), DiskOp::Read { file: LOG, offset: 0, len_bytes }, IoClass::Recovery);
            }
            Event::Disk { result: Ok(DiskReply::Data(data)), .. } => {
                let blocks = data.chunks_exact(2 * SECTOR_BYTES).zip(0..);
                let whole =
                    blocks.filter(|(block, number)| *block == &log_block(*number)[..]).map(|(_, number)| number);
                done.send(Some(whole.collect())).expect("the test waits");
            }
            Event::Disk { .. } => done.send(None).expect("the test waits"),
            other => panic!("unexpected {other:?}"),
        })
    })
}

#[test]
fn what_a_client_was_told_is_in_every_image_of_a_power_loss() {
    let (done, reports) = channel();
    let topology_of_writer = topology(vec![log_node(), client(done)]);
    let dir = data_dir();
    let mut writer = config(&topology_of_writer, &dir, "written");
    writer.journal = Some(JournalConfig { frames_to: vec![CLIENT] });
    let runtime = Runtime::start(topology_of_writer, &writer).expect("starts");
    next(&reports);
    let journal = runtime.journal().expect("asked for").clone();
    runtime.stop().expect("stops");
    let (base, records) = (journal.base(), journal.records());
    let writes =
        |record: &&JournalRecord| matches!(record, JournalRecord::Submitted { what: JournalOp::Write { .. }, .. });
    assert_eq!(records.iter().filter(writes).count() as u64, ENTRIES);

    let mut rng = Rng::new(5);
    let (mut told_most, mut short, mut undecided) = (0, 0, 0);
    for case in 0..40 {
        let cut = rng.below(records.len() as u64 + 1) as usize;
        let image = CrashImage::at(&base, &records, &Cut::together(cut), Survivors::Random { seed: case });
        undecided += usize::from(image.undecided > 0);
        let told = records[..cut].iter().filter(|record| matches!(record, JournalRecord::Delivered { .. })).count();
        image.write_node(LOG_NODE, &dir.path().join(format!("image-{case}/node-0"))).expect("writes");
        let (done, reports) = channel();
        let reopened = topology(vec![reader(done)]);
        let config = config(&reopened, &dir, &format!("image-{case}"));
        let _runtime = Runtime::start(reopened, &config).expect("starts");
        let whole: BTreeSet<u64> = match next(&reports) {
            Some(whole) => whole.into_iter().collect(),
            None => {
                short += 1;
                BTreeSet::new()
            }
        };
        for entry in 0..told as u64 {
            assert!(whole.contains(&entry), "case {case}: the client was told of entry {entry}, {whole:?} are left");
        }
        let begun = records[..cut].iter().filter(writes).count() as u64;
        assert!(whole.iter().all(|entry| *entry < begun), "case {case}: {whole:?} of {begun} begun");
        told_most = told_most.max(told);
    }
    assert!(told_most > 30 && undecided > 20 && short < 10, "{told_most} told, {undecided} undecided, {short} short");
}
