//! The report of a hunt for planted bugs: who found which, after how many seeds.

use super::Tone;
use super::about::commit;
use super::verdict::banner;
use crate::figures::format::{count, seconds_text};
use crate::info::Code;
use crate::report::page;
use crate::report::svg::escape;
use crate::stats::median;

const HOW_TO_READ: &str = "Each line is one bug in one engine. Seeds: how many scripts of the suite were played until one failed \
    that passes without the bug, this one included; the checker is what failed. A dash: not found in as many seeds as were \
    played at most. A bug counts as found when it was found in every engine that it was planted in. Events left: operations and \
    faults of the script that found it, once all that is not needed for it to fail so was left out.";
/// A failure of so few events can be read.
const EVENTS_LEFT_MAX: f64 = 20.0;

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

/// A detecting script that was made small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Small {
    /// Operations and faults that are left.
    pub events: u64,
    /// How many there were.
    pub events_before: u64,
    /// What it took on the clock.
    pub seconds: f64,
}

/// The same scripts without any bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clean {
    /// How many were played.
    pub played: u64,
    /// How many there were to play.
    pub to_play: u64,
    /// What failed among them.
    pub failed: Vec<String>,
}

/// One bug in one engine.
#[derive(Clone, Debug, PartialEq)]
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
    /// What is left of the script that found it: of its own suite's, or else of the swarm's.
    pub small: Option<Small>,
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
    /// The same scripts without any bug.
    pub clean: Clean,
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
        let told = |found: u64| format!("{} of {}, {}.", count(found as f64), count(all as f64), percent(found, all));
        let tone = |good: bool, otherwise| if good { Tone::Good } else { otherwise };
        let mut boxes = vec![
            banner(tone(own == all, Tone::Bad), "Found by their own suites", &told(own)),
            banner(
                tone(5 * swarm >= 4 * all, Tone::Warn),
                "Found by the swarm, which knows none of them",
                &told(swarm),
            ),
            banner(tone(self.clean.failed.is_empty(), Tone::Bad), "Without a planted bug", &self.clean.told()),
        ];
        if let Some((events, text)) = self.shrunk() {
            boxes.push(banner(tone(events <= EVENTS_LEFT_MAX, Tone::Warn), "Made small", &text));
        }
        let meta = format!("{} · commit {}", seconds_text(self.elapsed_s), commit(&self.code));
        format!(
            "<header>\n<p class=\"kicker\">Sextant · chaos</p>\n<h1>Planted bugs</h1>\n<p class=\"meta\">{}</p>\n\
             <div class=\"verdicts\">\n{}</div>\n</header>\n",
            escape(&meta),
            boxes.concat()
        )
    }

    /// The median of the events that are left, and how they were made so few.
    fn shrunk(&self) -> Option<(f64, String)> {
        let small: Vec<&Small> = self.mutants.iter().filter_map(|mutant| mutant.small.as_ref()).collect();
        let of = |figure: fn(&Small) -> f64| median(&small.iter().map(|small| figure(small)).collect::<Vec<_>>());
        let (events, before, seconds) =
            (of(|small| small.events as f64)?, of(|small| small.events_before as f64)?, of(|small| small.seconds)?);
        let text = format!(
            "{} scripts: a median of {events} events is left of {before}, after a median of {}.",
            count(small.len() as f64),
            seconds_text(seconds)
        );
        Some((events, text))
    }

    fn table(&self) -> String {
        let rows: String = self.mutants.iter().map(row).collect();
        format!(
            "<section>\n<h2>Which, and after how many seeds</h2>\n<p class=\"how\">{HOW_TO_READ} At most {} seeds of each \
             suite were played.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\" class=\"prose\">bug</th>\
             <th scope=\"col\" class=\"prose\">engine</th><th scope=\"col\" class=\"prose\">own suite</th>\
             <th scope=\"col\">seeds</th><th scope=\"col\" class=\"prose\">checker</th><th scope=\"col\">swarm's seeds</th>\
             <th scope=\"col\" class=\"prose\">checker</th><th scope=\"col\">events left</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n</section>\n",
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

impl Clean {
    fn told(&self) -> String {
        let (played, failed) = (count(self.played as f64), self.failed.len());
        let part = if self.played == self.to_play { "all" } else { "a part" };
        match failed {
            0 => format!("{played} of the same scripts, {part} of them, were played, and none failed."),
            failed => format!("{failed} of {played} failed: {}", self.failed.join("; ")),
        }
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
    let small = match &mutant.small {
        Some(Small { events, events_before, seconds }) => format!(
            "<td title=\"of {} events, after {}\">{}</td>",
            count(*events_before as f64),
            seconds_text(*seconds),
            count(*events as f64)
        ),
        None => "<td></td>".to_owned(),
    };
    format!(
        "<tr><th scope=\"row\" title=\"{}\">{}</th><td class=\"prose\">{}</td><td class=\"prose\">{}</td>{}{}{small}</tr>\n",
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
        let line = |name: &str, own, swarm, small| Mutant {
            name: name.into(),
            about: "\"a & b\"".into(),
            engine: "decoupled".into(),
            suite: "late".into(),
            own,
            swarm,
            small,
        };
        let small = |events| Some(Small { events, events_before: 340, seconds: 2.5 });
        Mutants {
            mutants: vec![line("evicts", catch(12), catch(1_340), small(19)), line("<late>", catch(7), None, small(6))],
            found: (2, 1, 2),
            seeds_max: 2_000,
            clean: Clean { played: 3_359, to_play: 3_359, failed: Vec::new() },
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
    fn a_median_of_more_events_than_can_be_read_is_a_warning_and_without_small_scripts_there_is_none() {
        let mut hunt = hunt();
        let page = hunt.html();
        assert!(page.contains("2 scripts: a median of 12.5 events is left of 340"), "{page}");
        assert_eq!(page.matches("verdict warn").count(), 1, "that of the swarm");
        hunt.mutants[0].small = Some(Small { events: 40, events_before: 340, seconds: 60.0 });
        assert_eq!(hunt.html().matches("verdict warn").count(), 2, "23 is too many");
        hunt.mutants.iter_mut().for_each(|mutant| mutant.small = None);
        assert!(!hunt.html().contains("Made small"));
    }

    #[test]
    fn scripts_that_were_not_played_are_not_passed_over() {
        let mut hunt = hunt();
        assert!(hunt.html().contains("3,359 of the same scripts, all of them, were played"), "{}", hunt.html());
        hunt.clean.to_play = 9_999;
        assert!(hunt.html().contains("3,359 of the same scripts, a part of them, were played"));
    }

    #[test]
    fn no_name_breaks_out_of_its_place() {
        let page = hunt().html();
        assert!(!page.contains("<late>") && !page.contains("<page>") && page.contains("&lt;late&gt;"), "{page}");
    }
}
