//! Names that are not known, and the one that was probably meant.

/// Names further from what was asked than this share of their letters are no suggestion.
const CLOSE_ENOUGH: f64 = 0.7;

/// `no engine is named "coupeld": did you mean "coupled"? Known are …`
pub fn unknown<'a>(what: &str, asked: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let meant = nearest(asked, &known).map_or(String::new(), |name| format!(": did you mean `{name}`?"));
    let end = if meant.is_empty() { "; known" } else { " Known" };
    format!("no {what} is named `{asked}`{meant}{end} are {}", known.join(", "))
}

fn nearest<'a>(asked: &str, known: &[&'a str]) -> Option<&'a str> {
    let asked = asked.to_lowercase().replace('_', "-");
    let likeness = |name: &str| strsim::jaro_winkler(&asked, &name.replace('_', "-"));
    let best = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= CLOSE_ENOUGH).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_a_distant_one_is_not() {
        let known = ["coupled", "coupled-mirrored", "decoupled", "oltp_write_only"];
        assert!(unknown("engine", "decuopled", known).contains("did you mean `decoupled`?"));
        assert!(unknown("workload", "OLTP-write-only", known).contains("did you mean `oltp_write_only`?"));
        let far = unknown("engine", "xyz", known);
        assert!(
            !far.contains("mean") && far.ends_with("known are coupled, coupled-mirrored, decoupled, oltp_write_only")
        );
    }
}
