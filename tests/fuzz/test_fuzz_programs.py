"""A few of the worst inputs in a process of its own, which must not die of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import program

DEEP = "kind: sequence_classification\nlabels: " + "[" * 200_000 + "]" * 200_000
BOMB = "a: &a0 [b, b]\n" + "".join(f"a{n}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["task=deep.yaml"], "deep.yaml line 2: values nest more than 20 deep"),
        (["task=bomb.yaml"], "its aliases (*) stand for more than 100,000 values"),
        (
            ["task=sequence_classification", "task.labels=" + "[" * 30_000],
            "nests more than 20 deep",
        ),
        (["task=sequence_classification", "-m", "seed=range(0,1e18)"], "is no range of at most"),
        (["predict", "run", "a"], "run/results.json can't be read: "),
    ],
)
def test_the_worst_inputs_are_one_line_and_exit_code_2(argv: list[str], fault: str) -> None:
    Path("deep.yaml").write_text(DEEP, encoding="utf-8")
    Path("bomb.yaml").write_text(BOMB, encoding="utf-8")
    Path("run").mkdir()
    Path("run/config.yaml").write_text("task: {}", encoding="utf-8")
    Path("run/results.json").write_text("[" * 200_000, encoding="utf-8")
    done = program(*argv)
    assert (done.code, done.out, len(done.faults)) == (2, "", 1)
    assert fault in done.faults[0]
    assert done.err.splitlines() == done.faults
