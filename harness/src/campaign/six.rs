//! Six copies of every page, asked of six storage nodes and compared.

use ::decoupled::message::{PageResult, TO_STORAGE, TO_WRITER, ToStorage, ToWriter, Wire};
use ::decoupled::topology::STORAGE;
use ::decoupled::{MemberIndex, PgId, VolumeId};
use compute::{Lsn, Page, PageId};
use node::{Block, Nanos};
use sim::{Sim, Stop};

use super::console::{CONSOLE, Mailbox};
use super::decoupled::writer;

/// The longest six nodes may take to answer for one page.
const PAGE_PATIENCE: Nanos = Nanos::from_secs(2);

/// How often, and after which pause, six nodes are asked again for a page that one of them found damaged.
const REPAIR_ATTEMPTS: u32 = 40;
const REPAIR_PAUSE: Nanos = Nanos::from_millis(50);

/// Reads every page from all six nodes at the VDL and demands equal bytes, equal also to the writer's own where it has the
/// page in memory. Gives the pages.
pub fn six_alike(sim: &mut Sim, volume: VolumeId) -> Result<Vec<Page>, String> {
    let database = writer(sim).ok_or("the database is down")?;
    let status = database.storage().status();
    let ends: Vec<Lsn> = database.storage().groups().iter().map(|group| group.pgcl()).collect();
    let page_bytes = database.config().page_bytes;
    let pages_per_pg = database.storage().pages_per_pg();
    let mut pages = Vec::new();
    for number in 0..ends.len() as u64 * pages_per_pg {
        let page = PageId(number);
        let pg = PgId((number / pages_per_pg) as u32);
        let (epoch, read_point, required) = (status.epoch, status.vdl, ends[pg.0 as usize]);
        let question = ToStorage::Read { volume, epoch, request: number, pg, page, read_point, required };
        let copies = ask_six_until_whole(sim, &question, number)?;
        let (member, first) = &copies[0];
        if let Some((other, _)) = copies.iter().find(|(_, copy)| copy != first) {
            return Err(format!(
                "page {page} differs between members {} and {} at VDL {read_point}",
                member.0, other.0
            ));
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
        pages.push(opened);
    }
    Ok(pages)
}

/// As [`ask_six`], again for as long as a node that found its page damaged may take to repair it.
fn ask_six_until_whole(
    sim: &mut Sim,
    question: &ToStorage,
    request: u64,
) -> Result<Vec<(MemberIndex, bytes::Bytes)>, String> {
    for _ in 0..REPAIR_ATTEMPTS {
        match ask_six(sim, question, request) {
            Ok(copies) => return Ok(copies),
            Err(_) => {
                let _ = sim.run_for(REPAIR_PAUSE);
                while sim.node_mut::<Mailbox>(CONSOLE).is_some_and(|mailbox| mailbox.take(TO_WRITER).is_some()) {}
            }
        }
    }
    ask_six(sim, question, request)
}

fn ask_six(sim: &mut Sim, question: &ToStorage, request: u64) -> Result<Vec<(MemberIndex, bytes::Bytes)>, String> {
    for id in STORAGE {
        sim.inject(CONSOLE, id, question.frame(TO_STORAGE));
    }
    let mut copies = Vec::new();
    while copies.len() < STORAGE.len() {
        let arrived = |sim: &Sim| sim.node::<Mailbox>(CONSOLE).is_some_and(|mailbox| mailbox.has(TO_WRITER));
        if sim.run_until(PAGE_PATIENCE, arrived) != Stop::Reached {
            return Err(format!("{question:?} was answered by {} of six", copies.len()));
        }
        let taken = sim.node_mut::<Mailbox>(CONSOLE).and_then(|mailbox| mailbox.take(TO_WRITER));
        let Some((from, frame)) = taken else { continue };
        match ToWriter::from_frame(&frame) {
            Ok(ToWriter::Page { request: answered, result: PageResult::Page { page }, .. }) if answered == request => {
                let member = MemberIndex::all().find(|member| STORAGE[usize::from(member.0)] == from);
                copies.push((member.ok_or("a page came from no member")?, page));
            }
            other => return Err(format!("{question:?} was answered by {from:?} with {other:?}")),
        }
    }
    Ok(copies)
}
