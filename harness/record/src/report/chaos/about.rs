//! What was run, from which source, and what it reached inside the engines.

use std::collections::BTreeMap;

use super::Chaos;
use crate::figures::format::{count, seconds_text, significant};
use crate::info::Code;
use crate::report::about::list;
use crate::report::charts::colour;
use crate::report::svg::escape;

/// The commit in short, and whether the tree had changes.
pub(super) fn commit(code: &Code) -> String {
    let Some(sha) = &code.git_sha else { return "unknown".to_owned() };
    let dirty = if code.git_dirty == Some(true) { " with changes" } else { "" };
    format!("{}{dirty}", sha.get(..10).unwrap_or(sha))
}

/// The last section.
pub(super) fn section(chaos: &Chaos) -> String {
    let suites: String = chaos
        .suites
        .iter()
        .map(|suite| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"prose\">{}</td><td class=\"prose\">{}</td><td>{}</td>\
                 <td>{}</td></tr>\n",
                escape(&suite.name),
                escape(&suite.about),
                escape(&suite.engines.join(", ")),
                escape(&suite.seeds),
                count(suite.scripts as f64)
            )
        })
        .collect();
    let table = format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\" class=\"prose\">suite</th>\
         <th scope=\"col\" class=\"prose\">about</th><th scope=\"col\" class=\"prose\">engines</th>\
         <th scope=\"col\">seeds</th><th scope=\"col\">scripts</th></tr></thead>\n<tbody>\n{suites}</tbody>\n\
         </table></div>\n"
    );
    format!(
        "<section>\n<h2>What was run</h2>\n{table}<div class=\"columns\">{}{}</div>\n{}<h2>Run it again</h2>\n\
         <pre>{}</pre>\n<p class=\"how\">verdicts.csv beside this page has a line for each script; results/README.md \
         describes its columns. Devices, links and CPU are simulated: times here are the models', not this machine's.</p>\n\
         </section>\n",
        list("Extent", &extent(chaos)),
        list("Source", &source(&chaos.code)),
        states(chaos),
        escape(&chaos.reproduce)
    )
}

fn extent(chaos: &Chaos) -> Vec<(&'static str, Option<String>)> {
    let ratio = |wall_s: f64| (wall_s > 0.0).then(|| format!("{} ×", significant(chaos.virtual_s / wall_s)));
    vec![
        ("Scripts", Some(count(chaos.scripts() as f64))),
        ("Events", Some(count(chaos.events as f64))),
        ("Virtual time", Some(seconds_text(chaos.virtual_s))),
        ("On the clock", Some(seconds_text(chaos.elapsed_s))),
        ("Time of cores", Some(seconds_text(chaos.core_s))),
        ("Virtual ÷ clock", ratio(chaos.elapsed_s)),
        ("Virtual ÷ core", ratio(chaos.core_s)),
    ]
}

fn source(code: &Code) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("Commit", Some(commit(code))),
        ("Compiler", Some(code.rustc.clone())),
        ("Build", Some(format!("{}, {}", code.profile, code.target))),
        ("Version", Some(code.version.clone())),
    ]
}

/// Rare things that happened, by engine; empty when none was counted.
fn states(chaos: &Chaos) -> String {
    let mut counts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (place, engine) in chaos.engines.iter().enumerate() {
        for (name, times) in &engine.states {
            counts.entry(name).or_insert_with(|| vec![0; chaos.engines.len()])[place] = *times;
        }
    }
    if counts.is_empty() {
        return String::new();
    }
    let heads: String = chaos.engines.iter().enumerate().map(|(place, engine)| head(place, &engine.name)).collect();
    let cell = |times: &u64| match times {
        0 => "<td class=\"none\">–</td>".to_owned(),
        times => format!("<td>{}</td>", count(*times as f64)),
    };
    let row = |(name, times): (&&str, &Vec<u64>)| {
        format!("<tr><th scope=\"row\">{}</th>{}</tr>\n", escape(name), times.iter().map(cell).collect::<String>())
    };
    let rows: String = counts.iter().map(row).collect();
    format!(
        "<h2>What happened inside</h2>\n<p class=\"how\">How often each was seen, over all scripts: states that a campaign \
         must reach to prove anything of them. A dash: not once, or not in that engine.</p>\n<div class=\"scroll\"><table>\n\
         <thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn head(place: usize, name: &str) -> String {
    format!("<th scope=\"col\"><i class=\"key {}\"></i>{}</th>", colour(place), escape(name))
}
