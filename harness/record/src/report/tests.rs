use super::svg::{Scale, escape, round_up};

#[test]
fn text_cannot_break_out_of_the_page() {
    assert_eq!(escape("<script>\"a\" & 'b'"), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
}

#[test]
fn linear_ticks_are_round_and_inside() {
    let scale = Scale::linear(0.0, 10.3, 0.0, 100.0);
    assert_eq!(scale.ticks(5), [0.0, 2.5, 5.0, 7.5, 10.0]);
    assert_eq!((scale.at(0.0), scale.at(10.3), scale.at(99.0)), (0.0, 100.0, 100.0));
}

#[test]
fn logarithmic_ticks_are_decades_or_finer_when_there_are_few() {
    assert_eq!(Scale::log(50.0, 2e6, 0.0, 1.0).ticks(5), [1e2, 1e3, 1e4, 1e5, 1e6]);
    assert_eq!(Scale::log(1.0, 60.0, 0.0, 1.0).ticks(5), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
}

#[test]
fn narrow_domains_are_widened_and_stay_finite() {
    assert_eq!(Scale::log(90.0, 110.0, 0.0, 1.0).ticks(5), [50.0, 100.0, 200.0]);
    assert!(Scale::linear(3.0, 3.0, 0.0, 100.0).at(3.0).is_finite());
    assert!(Scale::log(0.0, 0.0, 0.0, 100.0).at(0.0).is_finite());
    assert_eq!((round_up(0.0), round_up(7.1), round_up(1_490.0)), (1.0, 8.0, 1_500.0));
}
