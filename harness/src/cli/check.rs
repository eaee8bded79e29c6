//! `sextant check`: judges anybody's history.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use checker::bank::Bank;
use checker::history::{Format, History, Reader};
use checker::kv::Store;
use checker::register::Register;
use checker::{Report, Verdict, list_append};
use serde_json::json;
use uring::MappedFile;

use super::args::{CheckArgs, ModelArg};
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::printed::outln;
use crate::progress::Progress;

/// Operations between two looks at the clock and at interrupts.
const LOOK_EVERY: u64 = 1 << 14;

pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let shown = args.file.display();
    let bytes = MappedFile::open(&args.file).map_err(|error| Failure::io(format!("history {shown}: {error}")))?;
    let format = format_of(&args.file).unwrap_or_else(|| Format::of_content(&bytes));
    let mut progress = Progress::new(args.json);
    progress.label(shown.to_string());
    let malformed = |error: checker::history::Malformed| Failure::usage(format!("history {shown}: {error}"));
    let history = read(&bytes, format, &mut progress).map_err(malformed)?;
    interrupt::check()?;
    if let Some(path) = &args.export {
        export(&history, path)?;
    }
    progress.say("judging");
    let report = judge(args, &history).map_err(malformed)?;
    progress.done();
    if args.json {
        print_json(args, format, &report)
    } else {
        print(&report)
    }
    Ok(match report.verdict {
        Verdict::Valid => Exit::Ok,
        Verdict::Invalid(_) => Exit::Violation,
        Verdict::Unknown(_) => Exit::Unknown,
    })
}

fn format_of(path: &Path) -> Option<Format> {
    Format::of_extension(path.extension()?.to_str()?)
}

fn read(bytes: &[u8], format: Format, progress: &mut Progress) -> Result<History, checker::history::Malformed> {
    let (total, mut ops) = (bytes.len() as u64 >> 10, 0);
    progress.say("reading");
    Reader::new(bytes, format).history(|done| {
        ops += 1;
        if ops % LOOK_EVERY == 0 {
            progress.count("reading", done as u64 >> 10, total);
        }
        ops % LOOK_EVERY != 0 || !interrupt::asked()
    })
}

fn export(history: &History, path: &Path) -> Result<(), Failure> {
    let format = format_of(path);
    let format = format.ok_or_else(|| Failure::usage(format!("{}: name it .jsonl or .edn", path.display())))?;
    let write = || {
        let mut file = BufWriter::new(File::create_new(path)?);
        history.ops().iter().try_for_each(|op| writeln!(file, "{}", format.line(op)))?;
        file.flush()
    };
    write().map_err(|error: std::io::Error| Failure::io(format!("{}: {error}", path.display())))
}

fn judge(args: &CheckArgs, history: &History) -> Result<Report, checker::history::Malformed> {
    let initial = args.initial.clone();
    match args.model {
        ModelArg::ListAppend => list_append::check(history),
        ModelArg::Bank => Bank { total: args.total, negative: args.allow_negative }.check(history),
        ModelArg::Register => Register { initial }.check(history),
        ModelArg::Kv => Store { initial, ..Store::default() }.check(history),
    }
}

fn print(report: &Report) {
    match &report.verdict {
        Verdict::Valid => outln!("valid"),
        Verdict::Invalid(_) => {
            let kinds: Vec<String> = report.found.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            outln!("invalid: {}", kinds.join(", "));
        }
        Verdict::Unknown(why) => outln!("unknown: {why}"),
    }
    for anomaly in &report.anomalies {
        outln!("\n{}: {}", anomaly.kind, anomaly.why);
    }
    if !report.ruled_out.is_empty() {
        outln!("\nnot: {}", report.ruled_out.join(", "));
    }
    let counts: Vec<String> = report.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    outln!("{}{}", if report.anomalies.is_empty() { "" } else { "\n" }, counts.join(", "));
}

fn print_json(args: &CheckArgs, format: Format, report: &Report) {
    let why = match &report.verdict {
        Verdict::Valid => None,
        Verdict::Invalid(why) | Verdict::Unknown(why) => Some(why),
    };
    let anomaly = |anomaly: &checker::Anomaly| json!({ "kind": anomaly.kind, "ops": anomaly.ops, "why": anomaly.why });
    let counts = |counts: &[(&'static str, u64)]| -> serde_json::Map<String, serde_json::Value> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into())).collect()
    };
    let object = json!({
        "verdict": report.verdict.name(),
        "why": why,
        "model": clap::ValueEnum::to_possible_value(&args.model).map(|value| value.get_name().to_owned()),
        "format": match format { Format::Jsonl => "jsonl", Format::Edn => "edn" },
        "counts": counts(&report.counts),
        "found": counts(&report.found),
        "anomalies": report.anomalies.iter().map(anomaly).collect::<Vec<_>>(),
        "ruled_out": report.ruled_out,
    });
    outln!("{object:#}");
}
