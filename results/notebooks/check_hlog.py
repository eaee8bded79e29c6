"""Reads ``latency.hlog`` with Python's hdrhistogram and holds it against ``percentiles.csv`` and ``summary.csv``.

    python check_hlog.py [run directory]

It shares no code with the writer: the log is decoded by another implementation of HdrHistogram, its intervals are
merged, and every percentile must be the one in the CSV. Exits with 1 and a list when they differ.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

import loader

LATENCY_NS_MAX = 3_600_000_000_000
SIGNIFICANT_DIGITS = 3


def microseconds(seconds: float) -> int:
    return round(float(seconds) * 1e6)


def merged_log(run: loader.Run) -> dict[tuple, HdrHistogram]:
    """The log merged by segment, operation type and latency kind: an interval is known by its tag and start."""
    measured = run.intervals[run.intervals["phase"] == "measure"]
    owners = {
        (f"{row.engine}/{row.op}/{row.latency_kind}", microseconds(row.t_start_s)):
            (row.engine, row.workload, int(row.repeat), row.op, row.latency_kind)
        for row in measured.itertuples()
    }
    merged = defaultdict(lambda: HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS))
    reader = HistogramLogReader(str(run.dir / "latency.hlog"), HdrHistogram(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS))
    found = 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        start_s = interval.get_start_time_stamp() / 1000.0 - reader.get_start_time_sec()
        merged[owners[interval.get_tag(), microseconds(start_s)]].add(interval)
        found += 1
    if found != len(owners):
        raise SystemExit(f"latency.hlog: {found} intervals, intervals.csv has {len(owners)} measured ones")
    return merged


def differences(run: loader.Run) -> list[str]:
    merged = merged_log(run)
    found = []
    key = ["engine", "workload", "repeat", "op", "latency_kind"]
    for row in run.percentiles.itertuples():
        name = tuple(getattr(row, column) for column in key)
        histogram = merged[(*name[:2], int(name[2]), *name[3:])]
        value = histogram.get_value_at_percentile(float(row.percentile) * 100.0)
        if row.percentile < 1.0 and not same(histogram, value, int(row.value_ns), float(row.percentile)):
            found.append(f"{name} at {row.percentile}: {row.value_ns} ns in percentiles.csv, {value} ns in the log")
        if row.percentile == 1.0 and not histogram.values_are_equivalent(histogram.get_max_value(), int(row.value_ns)):
            found.append(f"{name}: maximum {row.value_ns} ns, {histogram.get_max_value()} ns in the log")
    measured = run.summary[run.summary["phase"] == "measure"]
    for row in measured.itertuples():
        name = tuple(getattr(row, column) for column in key)
        count = merged[(*name[:2], int(name[2]), *name[3:])].get_total_count()
        if count != row.n:
            found.append(f"{name}: {row.n} latencies in summary.csv, {count} in the log")
    return found


def same(histogram: HdrHistogram, value: int, expected: int, fraction: float) -> bool:
    """Python rounds the rank to the nearest, Rust up: the neighbouring recorded value is the same percentile."""
    if histogram.values_are_equivalent(value, expected):
        return True
    one_rank = 100.0 / histogram.get_total_count()
    above = histogram.get_value_at_percentile(min(fraction * 100.0 + one_rank, 100.0))
    return histogram.values_are_equivalent(above, expected)


def main() -> None:
    run = loader.open_run(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    found = differences(run)
    for difference in found:
        print(difference)
    if found:
        raise SystemExit(1)
    print(f"{run.dir.name}: latency.hlog agrees with percentiles.csv and summary.csv ({len(run.percentiles)} points)")


if __name__ == "__main__":
    main()
