"""Typed access to Sextant's run directories.

    import loader
    run = loader.open_run()              # the newest run, or the one $SEXTANT_RUN names
    run.intervals                        # a pandas DataFrame
    loader.concat("intervals", "../runs")  # the same file of every run, one frame

Columns are described in ``results/README.md``. An empty cell means *not measured* and becomes NA, never zero.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

#: The newest layout this module reads; ``run.json`` says which one a run has.
SCHEMA_VERSION = 1

#: The columns every CSV of a run directory begins with.
KEY = ["run_id", "engine", "workload", "repeat"]

TABLES = (
    "intervals",
    "summary",
    "percentiles",
    "histogram",
    "resources",
    "faults",
    "recovery",
    "io",
)

_INTEGER_SUFFIXES = ("_ns", "_bytes", "_ios")
_INTEGERS = {
    "repeat", "repeats", "completed", "ok", "errors", "late", "dropped", "total_count", "count", "n",
    "reads", "writes", "syncs", "sends", "fsyncs", "queue_depth", "aborts", "retries", "fault_errors",
    "deferred_dirty_pages", "deferred_records", "deferred_dirty_pages_start", "deferred_records_start",
    "deferred_log_bytes_start", "deferred_dirty_pages_end", "deferred_records_end", "deferred_log_bytes_end",
}
_TEXT = {
    "run_id", "engine", "workload", "phase", "op", "latency_kind", "fault_id", "kind", "target", "az",
    "params_json", "expected", "metric", "node", "role", "site", "class", "bottleneck",
    "durability_class", "degraded_class", "verdict", "status",
}


def read_table(path: Path | str) -> pd.DataFrame:
    """Reads one CSV of a run directory, or ``index.csv``, with a type for every column.

    Counts, nanoseconds and bytes are ``Int64`` (integers that may be NA), names are ``string``, the rest ``Float64``.
    """
    frame = pd.read_csv(path, dtype="string", keep_default_na=False, na_values=[""])
    for column in frame.columns:
        if column in _TEXT:
            continue
        if column in _INTEGERS or column.endswith(_INTEGER_SUFFIXES):
            frame[column] = pd.to_numeric(frame[column]).astype("Int64")
        else:
            try:
                frame[column] = pd.to_numeric(frame[column]).astype("Float64")
            except (ValueError, TypeError):
                pass  # a text column of the index, e.g. a factor
    return frame


@dataclass(frozen=True)
class Run:
    """One run directory. Each file is read when it is first asked for."""

    dir: Path

    @cached_property
    def info(self) -> dict:
        """``run.json``."""
        info = json.loads((self.dir / "run.json").read_text())
        if info["schema_version"] > SCHEMA_VERSION:
            raise ValueError(f"{self.dir}: schema {info['schema_version']} is newer than {SCHEMA_VERSION}")
        return info

    @cached_property
    def engines(self) -> list[str]:
        """Engine names in the order they were configured."""
        configured = [engine["name"] for engine in self.info["engines"]]
        seen = self.intervals["engine"].drop_duplicates().tolist()
        return configured + [name for name in seen if name not in configured]

    @cached_property
    def intervals(self) -> pd.DataFrame:
        return read_table(self.dir / "intervals.csv")

    @cached_property
    def summary(self) -> pd.DataFrame:
        return read_table(self.dir / "summary.csv")

    @cached_property
    def percentiles(self) -> pd.DataFrame:
        return read_table(self.dir / "percentiles.csv")

    @cached_property
    def histogram(self) -> pd.DataFrame:
        return read_table(self.dir / "histogram.csv")

    @cached_property
    def resources(self) -> pd.DataFrame:
        return read_table(self.dir / "resources.csv")

    @cached_property
    def faults(self) -> pd.DataFrame:
        return read_table(self.dir / "faults.csv")

    @cached_property
    def recovery(self) -> pd.DataFrame:
        return read_table(self.dir / "recovery.csv")

    @cached_property
    def io(self) -> pd.DataFrame:
        return read_table(self.dir / "io.csv")

    @cached_property
    def events(self) -> pd.DataFrame:
        lines = (self.dir / "events.jsonl").read_text().splitlines()
        return pd.DataFrame([json.loads(line) for line in lines])

    def headline(self, latency_kind: str = "response") -> pd.DataFrame:
        """The summary of all operations in the measured window, one row for each engine and repeat."""
        rows = self.summary.query("phase == 'measure' and op == 'ALL' and latency_kind == @latency_kind")
        return in_order(rows, self.engines)


def in_order(frame: pd.DataFrame, engines: list[str]) -> pd.DataFrame:
    """The rows sorted by engine in the given order, then by the rest of the key."""
    order = frame.assign(_place=frame["engine"].map({name: place for place, name in enumerate(engines)}))
    return order.sort_values(["_place", "workload", "repeat"], kind="stable").drop(columns="_place")


def newest_run(parent: Path | str) -> Path:
    """The newest run directory below ``parent``. Run ids begin with their UTC time, so the last name is the newest."""
    runs = sorted(path.parent for path in Path(parent).glob("*/run.json"))
    if not runs:
        raise FileNotFoundError(f"no run below {Path(parent).resolve()}: run `cargo run --release -- compare` first")
    return runs[-1]


def open_run(path: Path | str | None = None) -> Run:
    """Opens a run: ``path``, or ``$SEXTANT_RUN``, or the newest below ``results/runs``."""
    chosen = path or os.environ.get("SEXTANT_RUN")
    directory = Path(chosen) if chosen else newest_run(Path(__file__).resolve().parent.parent / "runs")
    if not (directory / "run.json").is_file():
        raise FileNotFoundError(f"{directory} is no run directory: it has no run.json")
    return Run(directory)


def concat(table: str, parent: Path | str) -> pd.DataFrame:
    """One file of every run below ``parent``, in one frame; the key columns tell the runs apart."""
    if table not in TABLES:
        raise ValueError(f"{table!r} is none of {', '.join(TABLES)}")
    files = sorted(Path(parent).glob(f"*/{table}.csv"))
    return pd.concat([read_table(file) for file in files], ignore_index=True)
