//! Power losses on the real runtime: every engine's own record of its writes and syncs yields images of what its disks may
//! hold after one, and each image is opened again.
//!
//! A recording is a run of an engine on real rings, from its empty directory on: clients at work, a zone lost and back,
//! every node crashed and back. An image cuts it at a random place of a random stretch, creation and recoveries
//! included, and keeps a random subset of the sectors and names that were not durable there; in half of the cases
//! each node is cut at a place of its own. What the clients had been told by then must be in the image. The reopened
//! engine then works on, its recovery is cut the same way, and the image of that is opened too.
//!
//! `SEXTANT_IMAGES` says how many images each engine gets, `SEXTANT_IMAGES_SEED` which.

mod engine;
mod life;
mod recording;

use std::fmt;
use std::path::Path;

use engine::{Kind, Small};
use life::{Life, Subject};
use node::{Rng, Zone};
use recording::{Owed, Recording};
use tempfile::TempDir;
use uring::{CrashImage, Cut, Survivors};

/// Images of one recording.
const IMAGES_OF_ONE: u64 = 20;
/// Transactions of each stretch of a recording that clients work in.
const WORK: usize = 200;
/// Transactions after a reopening.
const WORK_ON: usize = 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A working directory on a real file system, as the repository's own.
fn workplace() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

/// What was seen over all images of an engine.
#[derive(Default)]
struct Tally {
    images: u64,
    again: u64,
    apart: u64,
    /// With sectors or names whose fate was open.
    undecided: u64,
    /// Sectors and names whose fate was open.
    undecided_units: usize,
    acknowledged: usize,
    unknown: usize,
    keys: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { images, again, apart, undecided, undecided_units, acknowledged, unknown, keys } = self;
        write!(
            f,
            "{images} images and {again} of their recoveries, {apart} with every node cut for itself; {undecided} left \
             {undecided_units} sectors and names open; {acknowledged} acknowledgements owed, {unknown} outcomes \
             unknown, {keys} rows found"
        )
    }
}

/// The run that images are taken of.
fn record(subject: &Subject, directory: &Path) -> Result<Recording, String> {
    let mut life = Life::start(subject, directory, 1, Owed::default());
    life.work(WORK)?;
    life.crash(Some(Zone::B));
    if subject.engine.name() == "decoupled" {
        life.work(WORK / 4)?;
    }
    life.restart(Some(Zone::B));
    life.work(WORK)?;
    life.crash(None);
    life.restart(None);
    life.work(WORK)?;
    Ok(life.end())
}

/// A power loss at a random place of a random stretch of `recording`, and what is owed after it.
fn power_loss(recording: &Recording, rng: &mut Rng, tally: &mut Tally) -> (CrashImage, Owed) {
    let stretch = rng.below(recording.marks.len() as u64) as usize;
    let from = recording.marks[stretch];
    let to = recording.marks.get(stretch + 1).copied().unwrap_or(recording.records.len());
    let at = from + rng.below((to - from) as u64 + 1) as usize;
    let cut = if rng.chance(0.5) {
        tally.apart += 1;
        Cut::apart(&recording.records, at, rng)
    } else {
        Cut::together(at)
    };
    let survivors = match rng.below(10) {
        0 => Survivors::None,
        1 => Survivors::All,
        _ => Survivors::Random { seed: rng.next_u64() },
    };
    let image = CrashImage::at(&recording.base, &recording.records, &cut, survivors);
    let owed = recording.owed_at(cut.at());
    tally.undecided += u64::from(image.undecided > 0);
    tally.undecided_units += image.undecided;
    let told = owed.acks.iter().filter(|ack| ack.position.is_some()).count();
    tally.acknowledged += told;
    tally.unknown += owed.acks.len() - told;
    (image, owed)
}

/// Opens an image: everything owed is there, and the engine works on.
fn reopen(subject: &Subject, image: &CrashImage, era: u16, owed: Owed, tally: &mut Tally) -> Result<Recording, String> {
    let place = workplace();
    subject.lay_out(image, place.path());
    let mut life = Life::start(subject, place.path(), era, owed);
    tally.keys += life.audit()?;
    life.work(WORK_ON)?;
    Ok(life.end())
}

fn nothing_is_lost(kind: Kind) {
    let (images, seed) = (number("SEXTANT_IMAGES", 6), number("SEXTANT_IMAGES_SEED", 1));
    let mut tally = Tally::default();
    let mut rng = Rng::new(seed).fork(kind.name(), 0);
    while tally.images < images {
        let sizes = rng.next_u64();
        let subject = Subject::new(Small::new(kind, sizes), sizes);
        let place = workplace();
        let recording = record(&subject, place.path()).unwrap_or_else(|why| panic!("{}: {why}", kind.name()));
        for _ in 0..IMAGES_OF_ONE.min(images - tally.images) {
            tally.images += 1;
            let judged = power_loss_twice(&subject, &recording, &mut rng, &mut tally);
            judged.unwrap_or_else(|why| panic!("{}, seed {seed}, image {}: {why}", kind.name(), tally.images));
        }
    }
    println!("{}: {tally}; nothing lost", kind.name());
    assert!(tally.undecided * 4 > images, "{tally}");
    assert!(tally.acknowledged > 0 && tally.unknown > 0 && tally.keys > 0, "{tally}");
}

/// One image, and an image of what its reopening did.
fn power_loss_twice(subject: &Subject, recording: &Recording, rng: &mut Rng, tally: &mut Tally) -> Result<(), String> {
    let (image, owed) = power_loss(recording, rng, tally);
    let reopened = reopen(subject, &image, 2, owed, tally)?;
    tally.again += 1;
    let (image, owed) = power_loss(&reopened, rng, tally);
    reopen(subject, &image, 3, owed, tally).map(|_| ()).map_err(|why| format!("after a loss in recovery: {why}"))
}

#[test]
fn coupled_holds_in_every_image_what_was_acknowledged() {
    nothing_is_lost(Kind::Coupled);
}

#[test]
fn coupled_mirrored_holds_in_every_image_what_was_acknowledged() {
    nothing_is_lost(Kind::CoupledMirrored);
}

#[test]
fn decoupled_holds_in_every_image_what_was_acknowledged() {
    nothing_is_lost(Kind::Decoupled);
}

/// The judge of the tests above must be able to condemn: an image of an early moment lacks what was told later.
#[test]
fn an_image_from_before_an_acknowledgement_is_found_out() {
    let subject = Subject::new(Small::new(Kind::Coupled, 1), 1);
    let place = workplace();
    let recording = record(&subject, place.path()).expect("a healthy run");
    let cut = Cut::together(recording.marks[1]);
    let image = CrashImage::at(&recording.base, &recording.records, &cut, Survivors::All);
    let owed = recording.owed_at(recording.records.len());
    let verdict = reopen(&subject, &image, 2, owed, &mut Tally::default());
    assert!(verdict.is_err_and(|why| why.contains("Invalid")), "the loss of two stretches went unnoticed");
}
