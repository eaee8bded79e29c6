//! Limits, set-up, machine, and the command that runs it again.

use super::svg::escape;
use crate::figures::format::{bytes, count, percent, seconds_text};
use crate::info::RunInfo;
use crate::{Host, Run};

/// One line under the title: when, what, on what.
pub(super) fn line(info: &RunInfo) -> String {
    let mut parts =
        vec![info.run_id.clone(), info.start_utc.split('.').next().unwrap_or_default().replace('T', " ") + " UTC"];
    parts.extend(info.elapsed_s.map(|seconds| format!("took {}", seconds_text(seconds))));
    parts.push(format!("{} runtime, profile {}", info.factors.runtime, info.factors.profile));
    parts.extend(info.code.git_sha.as_ref().map(|sha| {
        let dirty = if info.code.git_dirty == Some(true) { " with changes" } else { "" };
        format!("commit {}{dirty}", sha.get(..10).unwrap_or(sha))
    }));
    if info.mutant != "none" {
        parts.push(format!("planted bug: {}", info.mutant));
    }
    parts.join(" · ")
}

/// The last section.
pub(super) fn section(run: &Run) -> String {
    let info = &run.info;
    let limits: String = info.limits.iter().map(|limit| format!("<li>{}</li>", escape(limit))).collect();
    let limits = if limits.is_empty() { String::new() } else { format!("<h2>Limits</h2>\n<ul>{limits}</ul>\n") };
    format!(
        "<section>\n{limits}<h2>Set-up</h2>\n<div class=\"columns\">{}{}</div>\n<h2>Run it again</h2>\n<pre>{}</pre>\n\
         <p class=\"how\">Every figure on this page is in the CSV files beside it; results/README.md describes their \
         columns. Full configuration: run.json.</p>\n</section>\n",
        list("Workload", &factors(info)),
        list("Machine", &machine(&info.host, info)),
        escape(&info.reproduce)
    )
}

/// Names and values under a title; what is not known is left out.
pub(super) fn list(title: &str, entries: &[(&str, Option<String>)]) -> String {
    let known =
        entries.iter().filter_map(|(name, value)| Some((name, value.as_ref().filter(|value| !value.is_empty())?)));
    let rows: String = known.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(value))).collect();
    format!("<div><h3>{title}</h3><dl>{rows}</dl></div>\n")
}

fn factors(info: &RunInfo) -> Vec<(&'static str, Option<String>)> {
    let factors = &info.factors;
    let number = |value: Option<f64>| value.map(count);
    vec![
        ("Distribution", Some(factors.distribution.clone())),
        ("Arrivals", Some(factors.arrival.clone())),
        ("Offered rate, txn/s", number(factors.rate_per_s)),
        ("Sessions", number(factors.sessions.map(f64::from))),
        ("Measured window", factors.duration_s.map(seconds_text)),
        ("Warm-up before it", factors.warmup_s.map(seconds_text)),
        ("Tables", number(factors.tables.map(f64::from))),
        ("Rows per table", number(factors.rows.map(|rows| rows as f64))),
        ("Cache, each engine", factors.cache_bytes.map(|size| bytes(size as f64))),
        ("Fault", Some(factors.fault.clone())),
        ("Seed", Some(info.seed.to_string())),
        ("Planted bug", Some(info.mutant.clone())),
    ]
}

fn machine(host: &Host, info: &RunInfo) -> Vec<(&'static str, Option<String>)> {
    let disk = host.data_dir.as_ref();
    vec![
        ("CPU", host.cpu_model.as_ref().map(|model| format!("{model}, {} cores", host.cores.unwrap_or_default()))),
        ("Memory", host.memory_bytes.map(|size| bytes(size as f64))),
        ("Kernel", host.kernel.clone()),
        ("Clock source", host.clocksource.clone()),
        ("Governor", host.governor.clone()),
        ("File system", disk.map(|disk| format!("{} ({})", disk.filesystem, disk.mount_options))),
        ("Device", disk.and_then(|disk| disk.device.clone())),
        ("Scheduler", disk.and_then(|disk| disk.scheduler.clone())),
        ("Write cache", disk.and_then(|disk| disk.write_cache.clone())),
        (
            "Load average",
            host.loadavg_start
                .as_ref()
                .map(|start| host.loadavg_end.as_ref().map_or(start.clone(), |end| format!("{start} → {end}"))),
        ),
        ("Stolen CPU time", host.steal_ratio.map(percent)),
        ("Build", Some(format!("{}, {}", info.code.profile, info.code.rustc))),
    ]
}
