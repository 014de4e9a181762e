import json
from pathlib import Path

import pytest
from small_runs import points, results_of, run, small

# -- several processes --------------------------------------------------------------------

PROCESSES = """
import os, resource, sys
from gptasks import cli

def run(*overrides):
    code = cli.main([*sys.argv[1:], *overrides])
    with open(f"codes-{os.environ['RANK']}", "a") as file:  # stdout is shared: lines would mix
        print(code, file=file)

run("run=r")
run("run=r", "trainer.epochs=3")
run("run=r")
run("run=other", "task.text=nix")
run("run=head", "strategy=head")
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
run("run=full")
"""


def test_two_processes_learn_the_same_as_one_and_one_of_them_writes(data, tmp_path):
    import subprocess
    import sys

    (tmp_path / "two.py").write_text(PROCESSES)
    overrides = small(data, "trainer.learning_rate=0.01", "tracking=jsonl")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nproc-per-node", "2", "--standalone"),
            *(str(tmp_path / "two.py"), *overrides),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        assert Path(f"codes-{rank}").read_text().split() == ["0", "2", "0", "2", "0", "1"]
    # Every line once: the first process speaks.
    assert done.stderr.count("going on") == 0
    assert done.stderr.count("finished in") == 2
    assert done.stderr.count("r holds a run of another configuration: trainer.epochs is 1.0") == 1
    assert done.stderr.count("r is finished; remove it") == 1
    assert done.stderr.count("column 'nix' is not there") == 1
    assert done.stderr.count("can't be written") == 1

    head = run(data, "strategy=head")
    for split in ("validation", "test"):
        assert results_of(Path("head"))["metrics"][split] == results_of(head)["metrics"][split]
    alone = run(data, "trainer.learning_rate=0.01", "trainer.accumulate=2", "run=alone")
    two, one = points(Path("r")), points(alone)
    assert [point["step"] for point in two] == [point["step"] for point in one]
    for here, there in zip(two, one, strict=True):
        for key in here:
            if not key.startswith("time/"):
                assert here[key] == pytest.approx(there[key], rel=1e-4, abs=1e-6), key
    assert results_of(Path("r"))["timing"]["processes"] == 2
    for name, score in results_of(Path("r"))["metrics"]["test"].items():
        other = results_of(alone)["metrics"]["test"][name]["value"]
        assert score["value"] == pytest.approx(other, abs=1e-4), name
    told = [json.loads(line) for line in Path("r/tracking.jsonl").read_text().splitlines()]
    assert [t["event"] for t in told].count("start") == 1
    steps = [t["step"] for t in told if t["event"] == "log"]
    assert steps == [point["step"] for point in two]
