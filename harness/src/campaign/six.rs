//! Six copies of every page, asked of six storage nodes and compared.

use std::collections::BTreeMap;

use ::decoupled::message::{PageResult, TO_STORAGE, TO_WRITER, ToStorage, ToWriter, Wire};
use ::decoupled::topology::STORAGE;
use ::decoupled::{MemberIndex, PgId, VolumeId};
use compute::{Lsn, Page, PageId};
use node::{Block, Nanos};
use sim::{Sim, Stop};

use super::console::{CONSOLE, Mailbox};
use super::decoupled::writer;

/// The longest six nodes may take to answer once more.
const PAGE_PATIENCE: Nanos = Nanos::from_secs(2);
/// Pages that are asked for at once: the world goes on while it answers, and for one page it would go on as long as for a few.
const PAGES_AT_ONCE: usize = 16;

/// How often, and after which pause, six nodes are asked again for a page that one of them found damaged.
const REPAIR_ATTEMPTS: u32 = 40;
const REPAIR_PAUSE: Nanos = Nanos::from_millis(50);

/// What the members have of one page.
type Copies = Vec<(MemberIndex, bytes::Bytes)>;

/// Reads every page from all six nodes at the VDL and demands equal bytes, equal also to the writer's own where it has the
/// page in memory. Gives the pages.
pub fn six_alike(sim: &mut Sim, volume: VolumeId) -> Result<Vec<Page>, String> {
    let database = writer(sim).ok_or("the database is down")?;
    let status = database.storage().status();
    let ends: Vec<Lsn> = database.storage().groups().iter().map(|group| group.pgcl()).collect();
    let page_bytes = database.config().page_bytes;
    let pages_per_pg = database.storage().pages_per_pg();
    let question = |number: u64| {
        let (page, pg) = (PageId(number), PgId((number / pages_per_pg) as u32));
        let (epoch, read_point, required) = (status.epoch, status.vdl, ends[pg.0 as usize]);
        ToStorage::Read { volume, epoch, request: number, pg, page, read_point, required }
    };
    let numbers: Vec<u64> = (0..ends.len() as u64 * pages_per_pg).collect();
    let mut pages = Vec::new();
    for numbers in numbers.chunks(PAGES_AT_ONCE) {
        let questions: BTreeMap<u64, ToStorage> = numbers.iter().map(|&number| (number, question(number))).collect();
        for (number, copies) in ask_six_until_whole(sim, &questions)? {
            pages.push(alike(sim, PageId(number), &copies, status.vdl, page_bytes)?);
        }
    }
    Ok(pages)
}

/// The page, if all copies of it are equal, and equal to the writer's.
fn alike(sim: &Sim, page: PageId, copies: &Copies, vdl: Lsn, page_bytes: usize) -> Result<Page, String> {
    let (member, first) = &copies[0];
    if let Some((other, _)) = copies.iter().find(|(_, copy)| copy != first) {
        return Err(format!("page {page} differs between members {} and {} at VDL {vdl}", member.0, other.0));
    }
    let opened = Page::open(Block::padded(first), page).map_err(|error| error.to_string())?;
    let own = writer(sim).and_then(|database| database.pool().peek(page));
    if let Some(own) = own.filter(|own| own.sealed()[..] != first[..page_bytes]) {
        return Err(format!(
            "page {page} is at LSN {} in the writer's memory, at {} in storage, and differs",
            own.lsn(),
            opened.lsn()
        ));
    }
    Ok(opened)
}

/// As [`ask_six`], again for as long as a node that found a page damaged may take to repair it.
fn ask_six_until_whole(sim: &mut Sim, questions: &BTreeMap<u64, ToStorage>) -> Result<BTreeMap<u64, Copies>, String> {
    for _ in 0..REPAIR_ATTEMPTS {
        match ask_six(sim, questions) {
            Ok(copies) => return Ok(copies),
            Err(_) => {
                let _ = sim.run_for(REPAIR_PAUSE);
                while sim.node_mut::<Mailbox>(CONSOLE).is_some_and(|mailbox| mailbox.take(TO_WRITER).is_some()) {}
            }
        }
    }
    ask_six(sim, questions)
}

/// Asks all six nodes all questions, which are named by their requests; gives what they have.
fn ask_six(sim: &mut Sim, questions: &BTreeMap<u64, ToStorage>) -> Result<BTreeMap<u64, Copies>, String> {
    for question in questions.values() {
        STORAGE.iter().for_each(|&id| sim.inject(CONSOLE, id, question.frame(TO_STORAGE)));
    }
    let mut copies: BTreeMap<u64, Copies> = questions.keys().map(|&request| (request, Vec::new())).collect();
    while let Some(request) =
        copies.iter().find(|(_, copies)| copies.len() < STORAGE.len()).map(|(&request, _)| request)
    {
        let arrived = |sim: &Sim| sim.node::<Mailbox>(CONSOLE).is_some_and(|mailbox| mailbox.has(TO_WRITER));
        if sim.run_until(PAGE_PATIENCE, arrived) != Stop::Reached {
            return Err(format!("{:?} was answered by {} of six", questions[&request], copies[&request].len()));
        }
        let taken = sim.node_mut::<Mailbox>(CONSOLE).and_then(|mailbox| mailbox.take(TO_WRITER));
        let Some((from, frame)) = taken else { continue };
        let member = MemberIndex::all().find(|member| STORAGE[usize::from(member.0)] == from);
        let member = member.ok_or_else(|| format!("a page came from {from:?}, which is no member"))?;
        match ToWriter::from_frame(&frame) {
            Ok(ToWriter::Page { request, result: PageResult::Page { page }, .. }) => {
                copies.get_mut(&request).ok_or_else(|| format!("{request} was not asked"))?.push((member, page));
            }
            other => return Err(format!("member {} answered with {other:?} in place of a page", member.0)),
        }
    }
    Ok(copies)
}
