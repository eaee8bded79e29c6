//! Quantities for people: three significant digits and a unit.

/// Three significant digits.
pub fn significant(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude == 0.0 => "0".to_owned(),
        _ if magnitude >= 999.5 => count(value),
        _ if magnitude >= 99.95 => format!("{value:.0}"),
        _ if magnitude >= 9.995 => format!("{value:.1}"),
        _ if magnitude >= 0.9995 => format!("{value:.2}"),
        _ if magnitude >= 0.0995 => format!("{value:.3}"),
        _ if magnitude >= 0.000_995 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// A whole number with thousands separated.
pub fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

/// A length of time given in nanoseconds.
pub fn duration_ns(ns: f64) -> String {
    match ns.abs() {
        magnitude if magnitude < 999.5 => format!("{} ns", significant(ns)),
        magnitude if magnitude < 999_500.0 => format!("{} µs", significant(ns / 1e3)),
        magnitude if magnitude < 999_500_000.0 => format!("{} ms", significant(ns / 1e6)),
        _ => format!("{} s", significant(ns / 1e9)),
    }
}

/// A length of time given in seconds.
pub fn seconds_text(seconds: f64) -> String {
    if seconds == 0.0 { "0 s".to_owned() } else { duration_ns(seconds * 1e9) }
}

/// A size, in binary units.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value.abs() >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", significant(value), UNITS[unit])
}

/// A share as a percentage.
pub fn percent(ratio: f64) -> String {
    format!("{} %", significant(ratio * 100.0))
}

/// A label for an axis: [`duration_ns`] without the zeros that only fill up the digits.
pub fn tick_ns(ns: f64) -> String {
    if ns == 0.0 {
        return "0".to_owned();
    }
    let text = duration_ns(ns);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}
