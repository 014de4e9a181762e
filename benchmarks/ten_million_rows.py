"""Peak memory of reading a data set and cutting it into splits, beside rows kept in a list.

python benchmarks/ten_million_rows.py [--rows 1000000 10000000] [--lists-up-to 1000000]

Makes its own data: a csv file of texts of about 100 letters with labels. Each measurement is a
process of its own; what it had before it read a row is taken off.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gptasks.data.files import read_file
from gptasks.data.splits import load_splits
from gptasks.task import DataOptions, Row
from gptasks.tasks.sequence_classification import SequenceClassification

MIB = 1 << 20


def main(argv: Sequence[str]) -> None:
    """Make the data, measure in child processes, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument(
        "--lists-up-to", type=int, default=1_000_000, help="most rows that are put into lists too"
    )
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.measure:
        measure(*options.measure)
        return
    print("| rows | how | peak memory | a row | time |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for count in options.rows:
            path = Path(folder) / f"{count}.csv"
            write_data(path, count)
            for how in ("splits", "lists") if count <= options.lists_up_to else ("splits",):
                command = [sys.executable, __file__, "--measure", how, str(path)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                size, seconds = map(float, done.stdout.split())
                print(
                    f"| {count:,} | {how} | {size / MIB:,.0f} MiB | {size / count:,.0f} bytes |"
                    f" {seconds:,.0f} s |",
                    flush=True,
                )
            path.unlink()


def write_data(path: Path, count: int) -> None:
    """A csv file whose texts all differ."""
    praise = ("a film that nobody should miss", "two hours that could have been spent better")
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for number in range(count):
            file.write(f"{praise[number % 2]} and the {number}th that was seen with friends at")
            file.write(f" the cinema,{number % 2}\n")


def measure(how: str, path: str) -> None:
    """Print the bytes by which the peak memory rose, and the seconds that reading took."""
    import numpy as np  # what load_splits imports on the way

    np.isin(np.zeros(1), np.zeros(1))
    task = SequenceClassification(data=DataOptions(train=path))
    before, started = peak(), time.monotonic()
    if how == "splits":
        splits = load_splits(task)
        assert sum(split.rows[-1]["label"] in "01" for split in splits.values()) == 3
    else:
        rows = [
            record
            for record in read_file(Path(path), task.data, origin="data.csv")
            if isinstance(record, Row)
        ]
        assert rows[-1]["label"] in "01"
    print(peak() - before, time.monotonic() - started)


def peak() -> int:
    """Most bytes this process has had in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main(sys.argv[1:])
