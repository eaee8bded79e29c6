//! A run as a person reads it: acts, halts, and what became of it.

use std::fmt::Write as _;

use nemesis::{Row, Script};

use super::play::Played;

/// The account of a script that was played with its timeline kept.
pub fn render(script: &Script, played: &Played) -> String {
    let header = &script.header;
    let mut text = format!(
        "suite {} on {}, seed {}: {} operations, {} faults over {}, {} demanded\n",
        header.suite,
        header.engine,
        header.seed,
        script.operations.len(),
        script.faults.len(),
        header.span,
        header.demand
    );
    let _ = writeln!(text, "owed {}, seen {}", played.owed, played.seen.name());
    if let Some(what) = played.seen.failure() {
        let _ = writeln!(text, "{what}");
    }
    for (id, hits) in &played.hits {
        let slug = Row::find(id).map_or("", |row| row.slug);
        let _ = writeln!(text, "  {id:4} {slug}: took effect {hits} times");
    }
    text.push('\n');
    for (at, what) in &played.timeline {
        let _ = writeln!(text, "{at:?}  {what}");
    }
    let _ = writeln!(text, "{:?}  the end, after {} events", played.span, played.events);
    let _ = writeln!(text, "\n{}", played.substance);
    text
}
