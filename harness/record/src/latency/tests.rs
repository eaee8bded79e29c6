use super::*;

fn filled(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
    let mut histogram = new_histogram();
    values.into_iter().for_each(|value| histogram.saturating_record(value));
    histogram
}

#[test]
fn a_swap_hands_out_everything_once_and_keeps_slots_valid() {
    let mut book = LatencyBook::new(&[LatencyKind::Response, LatencyKind::Service]);
    let read = book.op("read");
    let write = book.op("write");
    for _ in 0..3 {
        for latency in 1..=10 {
            book.complete(read, true, latency, latency + 5);
        }
        book.complete(write, false, 100, 200);
        let handed = book.swap();
        assert_eq!((handed[0].op.as_str(), handed[0].counts.ok, handed[0].counts.errors), ("read", 10, 0));
        assert_eq!((handed[1].op.as_str(), handed[1].counts.ok, handed[1].counts.errors), ("write", 0, 1));
        assert_eq!(handed[0].latencies[1].1.len(), 10);
        assert_eq!(handed[1].latencies[1].1.max(), 200);
        book.recycle(handed);
    }
    assert!(book.swap().iter().all(|op| op.counts == OpCounts::default() && op.latencies[0].1.is_empty()));
}

#[test]
fn kinds_a_book_was_not_made_for_are_ignored() {
    let mut book = LatencyBook::new(&[LatencyKind::Service]);
    let op = book.op("read");
    book.record(op, LatencyKind::Quorum, 7);
    assert_eq!(book.swap()[0].latencies.len(), 1);
}

#[test]
fn latencies_beyond_an_hour_and_of_zero_are_kept() {
    let histogram = filled([0, u64::MAX]);
    assert_eq!(histogram.len(), 2);
    assert!(histogram.max() >= LATENCY_NS_MAX);
}

#[test]
fn coarse_buckets_hold_every_value_within_their_bounds() {
    let values: Vec<u64> = (0..60).map(|shift| (1u64 << (shift % 41)) + shift * 37).collect();
    let histogram = filled(values.iter().copied());
    let buckets = coarse_buckets(&histogram);
    assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), values.len() as u64);
    for bucket in &buckets {
        let inside = values.iter().filter(|value| (bucket.low_ns..=bucket.high_ns).contains(value)).count();
        assert_eq!(inside as u64, bucket.count, "{bucket:?}");
    }
    assert!(buckets.windows(2).all(|pair| pair[0].high_ns < pair[1].low_ns));
}

#[test]
fn the_curve_climbs_to_the_maximum_and_counts_what_lies_below() {
    let histogram = filled(1..=100_000);
    let curve = percentile_curve(&histogram);
    assert!(curve.windows(2).all(|pair| pair[0].value_ns <= pair[1].value_ns));
    assert!(curve.windows(2).all(|pair| pair[0].total_count <= pair[1].total_count));
    let last = curve.last().unwrap();
    assert_eq!((last.percentile, last.total_count, last.value_ns), (1.0, 100_000, histogram.max()));
    let p99 = curve.iter().find(|point| point.percentile == 0.99).unwrap();
    assert_eq!(p99.value_ns, histogram.value_at_quantile(0.99));
    assert!(percentile_curve(&new_histogram()).is_empty());
}

#[test]
fn no_percentile_is_claimed_beyond_the_last_sample() {
    let curve = percentile_curve(&filled(1..=100));
    let below_max = &curve[curve.len() - 2];
    assert!((1.0 - below_max.percentile) * 100.0 >= 0.5, "{below_max:?}");
    assert!(curve.iter().all(|point| point.percentile != 0.999));
}

#[test]
fn what_one_operand_does_not_know_the_sum_does_not_know() {
    let mut sum = OpCounts { ok: 1, late: Some(2), ..OpCounts::default() };
    sum.add(&OpCounts { ok: 4, errors: 1, late: Some(3), dropped: Some(1), good: None });
    assert_eq!(sum, OpCounts { ok: 5, errors: 1, late: Some(5), dropped: None, good: None });
}
