"""Whatever is typed on a command line: what is asked for is done, or a line says why not."""

from __future__ import annotations

import functools
import operator
from typing import Any

import pytest
from command_line import gptasks
from fuzzing import CONTROL, fuzz, refusal, says, torn
from hypothesis import given
from hypothesis import strategies as st

from gptasks.cli import VERBS
from gptasks.config import configurations
from gptasks.fields import fields_of
from gptasks.options import BackboneOptions, RunOptions, TrainerOptions
from gptasks.registry import GROUPS, Registry
from gptasks.strategies.lora import Lora
from gptasks.tasks.sequence_classification import SequenceClassification
from gptasks.tracking import TRACKERS

TASK = "task=sequence_classification"
REGISTRY = Registry()

OWNERS = {
    "": RunOptions,
    "task.": SequenceClassification,
    "backbone.": BackboneOptions,
    "strategy.": Lora,
    "trainer.": TrainerOptions,
    "tracking.": TRACKERS["wandb"],
}
KEYS = [f"{above}{option.key}" for above, cls in OWNERS.items() for option in fields_of(cls)]

SIGNS = "=,:[]{}()'\"\\$@~+-#!|&<>*?%^`. \t\n\u00a0\u2028é好٣\U0001f600ab01" + CONTROL
WORDS = (
    "0", "1", "-1", "3", "007", "1.5", "1e3", "1e999", "nan", "-inf", "0x10", "1_000", "true",
    "False", "null", "None", "???", "a", "b", "x.csv", "~/x", "~no.such.user/x", "a b", "${seed}",
    "${", "${oc.env:HOME}", "\\${x}", "range(1,3)", "choice(a,b)", "glob(*)", "range(0,1,0)",
    "a" * 300, "9" * 30, "9" * 5000, "accuracy", "auto", "cpu", "linear", "last", "files", "it's",
    "''", '"a, b"', "[" * 400, "[" * 22 + "a" + "]" * 22, "{a:" * 19 + "b" + "}" * 19, "{a:b,a:c}",
)  # fmt: skip

words = st.sampled_from(WORDS) | st.text(st.sampled_from(SIGNS), max_size=12)
values = st.recursive(
    words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(words, inner).map(":".join), max_size=3).map(
            lambda items: "{" + ",".join(items) + "}"
        ),
        st.tuples(st.sampled_from("'\""), inner).map(lambda pair: f"{pair[0]}{pair[1]}{pair[0]}"),
    ),
    max_leaves=4,
)
texts = values | torn(values, SIGNS)
right = st.sampled_from(KEYS)
keys = st.one_of(
    right,
    right,
    st.tuples(st.sampled_from(("+", "++", "~", "--", " ")), right).map("".join),
    torn(right, SIGNS),
    st.sampled_from(("hydra.job.name", "hydra.sweeper.params", "hydra/help", "hydra.x", "hydra")),
    st.sampled_from((*GROUPS, "", ".", "task.", "seed.x", "task.data", "a@b")),
)


@fuzz(60)
@given(keys, texts)
def test_an_override_is_set_as_typed_or_refused(key: str, text: str) -> None:
    with refusal() as refused:
        (config,) = configurations([TASK, f"{key}={text}"], REGISTRY)
    # `task.data={…}` sets the keys it names, and leaves the others as they are.
    if not refused and not key.startswith("hydra") and key.strip(" +") != "task.data":
        assert says(text, [value_at(config.resolved, key)]), (
            "it was composed, and says another thing"
        )


@fuzz(15)
@given(right, st.lists(texts, min_size=1, max_size=3))
def test_a_sweep_has_a_run_for_each_value_or_is_refused(key: str, several: list[str]) -> None:
    text = ",".join(several)
    argv = ["-m", TASK, f"{key}={text}"]
    with refusal() as refused:
        found = [value_at(config.resolved, key) for config in configurations(argv, REGISTRY)]
    if not refused and "(" not in text:
        assert says(text, found), found


def value_at(config: dict[str, Any], key: str) -> Any:
    value = functools.reduce(operator.getitem, key.strip().lstrip("+").split("."), config)
    return value["name"] if key in GROUPS else value


FLAGS = (
    "-m", "--cfg", "job", "--resolve", "--package", "task", "-x", "--help", "--version", "--",
    "--json", "--data", "--input", "-", "--output", "--device", "--columns", "--encoding",
    "--cfg=job", "--info", "--info=all", "defaults", "list", "clean", TASK, "", "a",
    "~no.such.user", "seed=1", "run=r", "task=sentiment", "strategy=head", "a" * 300,
)  # fmt: skip
arguments = st.sampled_from((*VERBS, *FLAGS)) | st.tuples(keys, texts).map("=".join)


@fuzz(100)
@given(st.lists(arguments, max_size=4))
def test_any_command_line_ends_well_or_with_the_faults(argv: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GPTASKS_OFFLINE", "1")
        done = gptasks(*argv)
    assert done.code in (0, 2)
    assert bool(done.faults) == (done.code == 2)
    assert "Traceback" not in done.err
