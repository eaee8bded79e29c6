//! The report of a hunt for planted bugs: who found which, after how many seeds.

use super::Tone;
use super::about::commit;
use super::verdict::banner;
use crate::figures::format::{count, seconds_text};
use crate::info::Code;
use crate::report::page;
use crate::report::svg::escape;

const HOW_TO_READ: &str = "Each line is one bug in one engine. Seeds: how many scripts of the suite were played until one failed \
    that passes without the bug, this one included; the checker is what failed. A dash: not found in as many seeds as were \
    played at most. A bug counts as found when it was found in every engine that it was planted in.";

/// How a bug was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// Scripts that were played, the one that found it included.
    pub seeds: u64,
    /// The check that failed.
    pub checker: String,
    /// What it said.
    pub what: String,
}

/// One bug in one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name.
    pub name: String,
    /// What is broken, and what a user would lose.
    pub about: String,
    /// Where it was planted.
    pub engine: String,
    /// The suite that is after it.
    pub suite: String,
    /// What that suite found.
    pub own: Option<Catch>,
    /// What the general swarm found.
    pub swarm: Option<Catch>,
}

/// A hunt.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutants {
    /// The lines.
    pub mutants: Vec<Mutant>,
    /// Bugs found by their own suites in every engine, found so by the swarm, and all of them.
    pub found: (u64, u64, u64),
    /// Scripts of each suite that were played at most for each line.
    pub seeds_max: u64,
    /// The same scripts without any bug: how many were played, and which failed.
    pub clean: (u64, Vec<String>),
    /// What the whole took on the clock.
    pub elapsed_s: f64,
    /// The source and its compiler.
    pub code: Code,
    /// The command that runs it again.
    pub reproduce: String,
}

impl Mutants {
    /// The page.
    pub fn html(&self) -> String {
        page("chaos mutants", &[self.header(), self.table(), self.again()].concat())
    }

    fn header(&self) -> String {
        let (own, swarm, all) = self.found;
        let (played, failed) = &self.clean;
        let told = |found: u64| format!("{} of {}, {}.", count(found as f64), count(all as f64), percent(found, all));
        let tone = |good: bool, otherwise| if good { Tone::Good } else { otherwise };
        let clean = match failed.as_slice() {
            [] => format!("{} of the same scripts were played, and none failed.", count(*played as f64)),
            failed => format!("{} of {} failed: {}", failed.len(), count(*played as f64), failed.join("; ")),
        };
        let boxes = [
            banner(tone(own == all, Tone::Bad), "Found by their own suites", &told(own)),
            banner(
                tone(5 * swarm >= 4 * all, Tone::Warn),
                "Found by the swarm, which knows none of them",
                &told(swarm),
            ),
            banner(tone(failed.is_empty(), Tone::Bad), "Without a planted bug", &clean),
        ];
        let meta = format!("{} · commit {}", seconds_text(self.elapsed_s), commit(&self.code));
        format!(
            "<header>\n<p class=\"kicker\">Sextant · chaos</p>\n<h1>Planted bugs</h1>\n<p class=\"meta\">{}</p>\n\
             <div class=\"verdicts\">\n{}</div>\n</header>\n",
            escape(&meta),
            boxes.concat()
        )
    }

    fn table(&self) -> String {
        let rows: String = self.mutants.iter().map(row).collect();
        format!(
            "<section>\n<h2>Which, and after how many seeds</h2>\n<p class=\"how\">{HOW_TO_READ} At most {} seeds of each \
             suite were played.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\" class=\"prose\">bug</th>\
             <th scope=\"col\" class=\"prose\">engine</th><th scope=\"col\" class=\"prose\">own suite</th>\
             <th scope=\"col\">seeds</th><th scope=\"col\" class=\"prose\">checker</th><th scope=\"col\">swarm's seeds</th>\
             <th scope=\"col\" class=\"prose\">checker</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n</section>\n",
            count(self.seeds_max as f64)
        )
    }

    fn again(&self) -> String {
        format!(
            "<section>\n<h2>Run it again</h2>\n<pre>{}</pre>\n<p class=\"how\">mutants.csv beside this page has the same \
             lines; each script that found a bug lies there too, for <code>sextant chaos replay FILE --mutant NAME</code>.</p>\n\
             </section>\n",
            escape(&self.reproduce)
        )
    }
}

/// A percentage that is 100 % only when nothing is missing.
fn percent(found: u64, all: u64) -> String {
    if all == 0 { "none were hunted".to_owned() } else { super::availability::share(found as f64 / all as f64) }
}

fn row(mutant: &Mutant) -> String {
    let cells = |catch: &Option<Catch>| match catch {
        Some(Catch { seeds, checker, what }) => format!(
            "<td title=\"{}\">{}</td><td class=\"prose\">{}</td>",
            escape(what),
            count(*seeds as f64),
            escape(checker)
        ),
        None => "<td class=\"none\">–</td><td></td>".to_owned(),
    };
    format!(
        "<tr><th scope=\"row\" title=\"{}\">{}</th><td class=\"prose\">{}</td><td class=\"prose\">{}</td>{}{}</tr>\n",
        escape(&mutant.about),
        escape(&mutant.name),
        escape(&mutant.engine),
        escape(&mutant.suite),
        cells(&mutant.own),
        cells(&mutant.swarm)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunt() -> Mutants {
        let catch = |seeds| Some(Catch { seeds, checker: "probe".into(), what: "a <page> differs".into() });
        let line = |name: &str, own, swarm| Mutant {
            name: name.into(),
            about: "\"a & b\"".into(),
            engine: "decoupled".into(),
            suite: "late".into(),
            own,
            swarm,
        };
        Mutants {
            mutants: vec![line("evicts", catch(12), catch(1_340)), line("<late>", catch(7), None)],
            found: (2, 1, 2),
            seeds_max: 2_000,
            clean: (3_359, Vec::new()),
            elapsed_s: 12.0,
            code: Code::default(),
            reproduce: "sextant chaos mutants --mutant '<late>'".into(),
        }
    }

    #[test]
    fn both_shares_stand_first_and_what_was_not_found_has_a_dash() {
        let page = hunt().html();
        let places: Vec<usize> = ["2 of 2, 100 %", "1 of 2, 50.00 %", "none failed", "<th scope=\"row\""]
            .iter()
            .map(|wanted| page.find(wanted).unwrap_or_else(|| panic!("{wanted} is missing: {page}")))
            .collect();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(page.matches("<td class=\"none\">–</td>").count(), 1);
        assert!(page.contains("verdict warn"), "half is less than the swarm is to find");
    }

    #[test]
    fn no_name_breaks_out_of_its_place() {
        let page = hunt().html();
        assert!(!page.contains("<late>") && !page.contains("<page>") && page.contains("&lt;late&gt;"), "{page}");
    }
}
