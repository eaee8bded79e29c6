//! `verdicts.csv`: one line for each script that was played, written as it goes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::runner::Turn;
use crate::campaign::Availability;

/// The columns, in order. `results/README.md` describes them.
pub const COLUMNS: [&str; 24] = [
    "suite",
    "engine",
    "seed",
    "script_hash",
    "demand",
    "rows",
    "owed",
    "outcome",
    "event_hash",
    "events",
    "virtual_s",
    "wall_s",
    "commit_ratio",
    "read_ratio",
    "open_ratio",
    "durability_ratio",
    "repairability_ratio",
    "commit_kept_ratio",
    "read_kept_ratio",
    "open_kept_ratio",
    "durability_kept_ratio",
    "repairability_kept_ratio",
    "recovery_s",
    "what",
];

/// The file.
#[derive(Debug)]
pub struct Verdicts {
    file: BufWriter<File>,
}

impl Verdicts {
    /// A new file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be made or written.
    pub fn create(path: &Path) -> io::Result<Verdicts> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{}", COLUMNS.join(","))?;
        Ok(Verdicts { file })
    }

    /// Adds a line. It is on its way to the file when this returns.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn add(&mut self, turn: &Turn) -> io::Result<()> {
        let (header, played) = (&turn.script.header, &turn.played);
        let ratio = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.4}"));
        let what = played.seen.failure().unwrap_or("").replace(['"', '\n', '\r'], "'");
        let Availability { commit, read, open, durability, repairability } = played.availability;
        let shares = [commit, read, open, durability, repairability];
        let mut cells = vec![
            header.suite.clone(),
            header.engine.clone(),
            header.seed.to_string(),
            format!("{:016x}", turn.script.hash()),
            header.demand.clone(),
            played.hits.keys().copied().collect::<Vec<_>>().join(" "),
            played.owed.name().to_owned(),
            played.seen.name().to_owned(),
            played.digest.map_or(String::new(), |digest| format!("{digest:032x}")),
            played.events.to_string(),
            format!("{:.6}", played.span.as_secs_f64()),
            format!("{:.6}", turn.wall.as_secs_f64()),
        ];
        cells.extend(shares.map(|share| ratio(share.ratio())));
        cells.extend(shares.map(|share| ratio(share.kept_ratio())));
        cells.push(played.recovery.map_or(String::new(), |recovery| format!("{:.6}", recovery.as_secs_f64())));
        cells.push(format!("\"{what}\""));
        writeln!(self.file, "{}", cells.join(","))?;
        self.file.flush()
    }
}
