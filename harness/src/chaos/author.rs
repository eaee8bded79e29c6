//! From a suite, an engine and a seed to a script.

use nemesis::{Carrier, EngineClass, Generator, Header, Names, Plan, Row, Schedule, Script, words};
use node::Rng;

use super::play::{cast_of, subject_of};
use super::suite::{Pick, Suite};
use crate::campaign::Plants;

/// Draws the script of one seed, for the simulator.
///
/// # Errors
///
/// The engine cannot be built, which is a defect of the draw.
pub fn author(suite: &Suite, class: EngineClass, seed: u64) -> Result<Script, String> {
    author_for(Carrier::Sim, suite, class, seed)
}

/// Draws the script of one seed: of the suite's rows those that `carrier` injects.
///
/// # Errors
///
/// As [`author`].
pub fn author_for(carrier: Carrier, suite: &Suite, class: EngineClass, seed: u64) -> Result<Script, String> {
    let rng = Rng::new(seed).fork(&suite.name, class as u64);
    let mut draws = rng.fork("header", 0);
    let mut between = |[low, high]: [u64; 2]| draws.between(low, high);
    let (clients, keys) = (between(suite.clients.map(u64::from)) as u32, between(suite.keys));
    let (count, tables) = (between(suite.operations), between([1, 2]) as u16);
    let span = suite.span(draws.below(1_000_001));
    let page_bytes = [512, 512, 1024, 2048][draws.below(4) as usize];
    let (format, version) = Header::format();
    let mut header = Header {
        format,
        version,
        suite: suite.name.clone(),
        engine: class.name().to_owned(),
        seed,
        demand: nemesis::Demand::from(suite.demand).name().to_owned(),
        rows: Vec::new(),
        clients,
        tables,
        keys,
        page_bytes,
        span: words::span(span),
        nodes: Names::default().0,
    };
    let cast = cast_of(subject_of(class, Plants::NONE, true).as_mut(), &header)?;
    header.nodes = cast.names.0.clone();
    let plan = Plan {
        rows: rows(carrier, suite, class, seed),
        swarm: suite.pick == Pick::Half,
        demand: suite.demand.into(),
        span,
        episodes_max: suite.episodes,
        divided: suite.divided,
        carrier,
    };
    let schedule = Schedule::draw(&plan, &cast, &mut rng.fork("faults", 0));
    header.rows = schedule.rows.iter().map(|row| row.id.to_owned()).collect();
    let generator = if draws.chance(0.5) { Generator::Grammar } else { Generator::Stories };
    let operations = generator.draw(count, span, tables, keys, &mut rng.fork("operations", 0));
    Ok(Script { header, operations, faults: schedule.faults })
}

/// Those that strike the engine; one of them in turn when the suite takes one at a time.
fn rows(carrier: Carrier, suite: &Suite, class: EngineClass, seed: u64) -> Vec<&'static Row> {
    let striking: Vec<&'static Row> = suite.rows().into_iter().filter(|row| row.strikes_on(carrier, class)).collect();
    match suite.pick {
        Pick::One if !striking.is_empty() => vec![striking[(seed % striking.len() as u64) as usize]],
        _ => striking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_script_and_its_text_the_same_script() {
        for suite in Suite::built_in() {
            for class in suite.classes() {
                for seed in 0..6 {
                    let script = author(&suite, class, seed).expect("a script");
                    assert_eq!(author(&suite, class, seed), Ok(script.clone()), "{} {seed}", suite.name);
                    assert_eq!(Script::from_text(&script.to_text()), Ok(script), "{} {seed}", suite.name);
                }
            }
        }
    }
}
