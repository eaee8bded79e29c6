//! From what the load saw to rows of the record.

use ::load::{Interval, OpInterval};
use record::{IntervalInput, LatencyKind, OpCounts, RunWriter, SegmentId, Span};

use super::{PhasePlan, record_failure};
use crate::exit::Failure;

pub(super) fn to_record(
    writer: &mut RunWriter,
    segment: SegmentId,
    plan: &PhasePlan,
    interval: &Interval,
) -> Result<(), Failure> {
    let length_ns = interval.end.saturating_sub(interval.start).0;
    if length_ns == 0 {
        return Ok(());
    }
    let open = plan.arrivals.rate_per_s().is_some();
    let ops: Vec<record::OpInterval> = interval
        .ops
        .iter()
        .enumerate()
        .map(|(index, op)| to_op(op, open, if index == 0 { interval.dropped } else { 0 }))
        .collect();
    let input = IntervalInput {
        phase: plan.phase,
        span: Span { start_ns: interval.start.0, len_ns: length_ns },
        offered_per_s: plan.arrivals.rate_per_s(),
        in_flight_mean: Some(interval.in_flight_ns as f64 / length_ns as f64),
        sched_lag: open.then_some(&interval.lag),
        ops: &ops,
    };
    writer.interval(segment, &input).map_err(record_failure)
}

/// Arrivals that were dropped belong to no operation yet: they are counted at the first.
fn to_op(op: &OpInterval, open: bool, dropped: u64) -> record::OpInterval {
    let counts = OpCounts {
        ok: op.ok,
        errors: op.errors(),
        late: open.then_some(op.late),
        dropped: open.then_some(dropped),
        good: None,
    };
    let latencies = vec![(LatencyKind::Service, op.service.clone()), (LatencyKind::Response, op.response.clone())];
    record::OpInterval { op: op.name.to_owned(), counts, latencies }
}
