use super::format::{bytes, count, duration_ns, percent, seconds_text, significant, tick_ns};
use super::*;

#[test]
fn quantities_keep_three_digits_and_never_show_a_rounded_up_unit() {
    let shown = [0.0, 0.000_5, 0.0312, 0.31, 1.364, 12.34, 99.96, 123.4, 999.6, 12_345.0].map(significant);
    assert_eq!(shown, ["0", "5.0e-4", "0.0312", "0.310", "1.36", "12.3", "100", "123", "1,000", "12,345"]);
    let shown = [12.0, 999.6, 1_500.0, 999_600.0, 2.5e6, 1.2e9].map(duration_ns);
    assert_eq!(shown, ["12.0 ns", "1.00 µs", "1.50 µs", "1.00 ms", "2.50 ms", "1.20 s"]);
    assert_eq!([512.0, 1_023.7, 1_536.0, 268_435_456.0].map(bytes), ["512 B", "1.00 KiB", "1.50 KiB", "256 MiB"]);
    assert_eq!((count(1_234_567.0), count(-1_000.0), count(0.2)), ("1,234,567".into(), "-1,000".into(), "0".into()));
    assert_eq!(
        (percent(0.9987), seconds_text(0.0), seconds_text(1.84)),
        ("99.9 %".into(), "0 s".into(), "1.84 s".into())
    );
    assert_eq!([0.0, 1e9, 2.5e6, 1e4].map(tick_ns), ["0", "1 s", "2.5 ms", "10 µs"]);
}

#[test]
fn a_cell_shows_the_median_and_the_range_of_repeats() {
    let shown = |values: &[f64]| Figure::of(values, duration_ns).text();
    assert_eq!(shown(&[1e6, 3e6, 2e6]), "2.00 ms (1.00–3.00)");
    assert_eq!(shown(&[9e5, 2e6]), "1.45 ms (900 µs – 2.00 ms)");
    assert_eq!(shown(&[1e6, 1e6]), "1.00 ms", "equal repeats need no range");
    assert_eq!(shown(&[]), NOT_MEASURED);
}
