#!/usr/bin/env python3
"""Reads the recorded campaign, counts it, and plays sampled lines of it again.

    check.py                              count, and say whether the record is whole
    check.py --sextant target/release/sextant --sample 60
                                          also play 60 lines again and compare their hashes

Lines are played by the program given, which must be built from the commit in `campaign.json`: the hash covers every event,
so another state of the engines gives others. Exit code 0 when everything is as recorded, 1 otherwise.
"""

import argparse
import collections
import csv
import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
FAILED = ("broken", "violation", "liveness", "unknown")


def lines():
    """Every line of the record: suite, engine, seed, owed, outcome, event_hash."""
    for path in sorted(HERE.glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            yield from csv.DictReader(file)


def count(record, about):
    """Prints outcomes by suite and engine, and says what is wrong with the record."""
    table = collections.defaultdict(collections.Counter)
    for line in record:
        table[line["engine"], line["suite"]][line["outcome"]] += 1
    outcomes = sorted({outcome for row in table.values() for outcome in row})
    print(f"{'engine':18}{'suite':12}{'scripts':>9}" + "".join(f"{outcome:>14}" for outcome in outcomes))
    for (engine, suite), row in sorted(table.items()):
        print(f"{engine:18}{suite:12}{sum(row.values()):9}" + "".join(f"{row[outcome]:14}" for outcome in outcomes))
    print(f"{'all':18}{'':12}{len(record):9}")
    wrong = []
    if len(record) != about["scripts"]:
        wrong.append(f"campaign.json says {about['scripts']} scripts, the files have {len(record)}")
    if len({(line["suite"], line["engine"], line["seed"]) for line in record}) != len(record):
        wrong.append("a script is recorded twice")
    failed = sorted(f"{line['suite']} {line['engine']} {line['seed']}" for line in record if line["outcome"] in FAILED)
    known = sorted(about["failed"])
    if failed != known:
        wrong.append(f"failed: {failed}; campaign.json explains {known}")
    return wrong


def play(sextant, line):
    """Plays a line again. Gives the outcome and the hash."""
    with tempfile.TemporaryDirectory() as out:
        command = [sextant, "chaos", "run", line["suite"], "--engine", line["engine"], "--seed", line["seed"]]
        subprocess.run([*command, "--out", out], check=False, capture_output=True)
        verdicts = next(pathlib.Path(out).rglob("verdicts.csv"))
        with verdicts.open(newline="") as file:
            again = next(csv.DictReader(file))
        return again["outcome"], again["event_hash"][: len(line["event_hash"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sextant", help="the program, built from the recorded commit")
    parser.add_argument("--sample", type=int, default=60, help="how many lines to play again")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    given = parser.parse_args()
    about = json.loads((HERE / "campaign.json").read_text())
    record = list(lines())
    print(f"commit {about['commit']}, {about['toolchain']}, {about['date']}")
    wrong = count(record, about)
    if given.sextant:
        sample = random.Random(given.seed).sample(record, given.sample)
        for line in sample:
            again = play(given.sextant, line)
            if again != (line["outcome"], line["event_hash"]):
                wrong.append(f"{line['suite']} {line['engine']} {line['seed']}: recorded {line}, played {again}")
        print(f"{len(sample)} lines played again")
    for what in wrong:
        print(what, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
