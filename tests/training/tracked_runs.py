"""Trains with trackers in children: one killed and then repeated, one that fails; run by
test_killed_tracking.

Usage: tracked_runs.py FOLDER TOOL,… OVERRIDE…; each tool has a folder of its own name in FOLDER,
with the runs "r" and "failed" in it. Prints one line a tool: it, and how the three children ended.
"""

import gc
import sys
from pathlib import Path

from killed_runs import MOMENTS, child


def main() -> None:
    """Kill at a validation, whose points come after those of the checkpoint; go on; fail."""
    gc.freeze()  # what is imported is no child's garbage
    place, tools, *overrides = sys.argv[1:]
    for tool in tools.split(","):
        folder = Path(place) / tool
        folder.mkdir()
        told = [*overrides, f"tracking={tool}"]
        ends = [
            child(folder, [*told, "run=r"], MOMENTS["validation"]),
            child(folder, [*told, "run=r"], lambda: None),
            child(folder, [*told, "run=failed", "strategy.layers=[99]"], lambda: None),
        ]
        print("ended", tool, *ends, flush=True)


if __name__ == "__main__":
    main()
