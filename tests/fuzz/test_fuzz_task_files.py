"""Whatever a task file holds: it is read as written, or a line says what is wrong with it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from fuzzing import CONTROL, fuzz, refusal, says, torn, written
from hypothesis import given
from hypothesis import strategies as st

from gptasks.config import configurations
from gptasks.registry import Registry
from gptasks.task import DataOptions
from gptasks.tasks.sequence_classification import SequenceClassification

REGISTRY = Registry()
KIND = "kind: sequence_classification\n"
OPTIONS = [field.name for field in fields(SequenceClassification)]
DATA = [field.name for field in fields(DataOptions) if field.name != "directory"]

ODD = (
    "007", "no", "1e3", "null", "2024-99-99", "???", "=", "<<", "~", "", " ", "a: b", "- a", "#",
    "好", "a\nb", "\\${x}", "{text} is", "accuracy", "right", "mean", "files", "csv",
)  # fmt: skip
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 600),
    st.integers(),
    st.floats(),
    st.sampled_from(ODD),
    st.text(st.sampled_from("ab:[]{},&*#?|-<>=!%@`'\" \n\t\u00a0\u2028é好" + CONTROL), max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from((*DATA, "pos", "a.b", "0")), inner, max_size=3),
    ),
    max_leaves=5,
)
right = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(ODD),
        "labels": st.lists(st.sampled_from(ODD), unique=True, max_size=3),
        "max_length": st.integers(1, 10**6),
        "data": st.dictionaries(st.sampled_from(("train", "test")), values, max_size=2),
    },
)
wrong = st.dictionaries(st.sampled_from((*OPTIONS, "sise", "directory")), values, max_size=2)
documents = st.tuples(right, wrong | st.just({})).map(lambda pair: {**pair[0], **pair[1]})


@fuzz(30)
@given(documents, st.booleans(), st.sampled_from((True, False, None)))
def test_a_task_file_is_read_as_written_or_refused(
    told: dict[str, Any], unicode: bool, flow: bool | None
) -> None:
    text = yaml.safe_dump(told, allow_unicode=unicode, default_flow_style=flow, sort_keys=False)
    task = composed((KIND + text if told and not flow else KIND + f"<<: {text}").encode())
    for key, value in told.items() if task else ():
        if key != "data":
            assert says(written(value), task[key]), key
        for name, inner in value.items() if key == "data" else ():
            assert says(written(inner), task[key][name]), name


def composed(content: bytes) -> dict[str, Any]:
    """The task that a file with that content makes; empty where it was refused."""
    Path("t.yaml").write_bytes(content)
    with refusal() as refused:
        (config,) = configurations(["task=t.yaml"], REGISTRY)
    if refused:
        return {}
    task: dict[str, Any] = config.resolved["task"]
    assert task["name"]
    return task


LINES = (
    KIND, KIND, "text: a\n", "text: b\n", "labels: [a, b]\n", "labels:\n- a\n- b\n",
    "data: &d {}\n", "data: &d {train: *d}\n", "data: {<<: *d}\n", "<<: {text: c}\n", "<<: [a]\n",
    "# words\n", "---\n", "...\n", "%YAML 1.2\n", "%TAG ! x\n", "? [a]\n: b\n", "null: a\n",
    "name: x/y\n", "name:\n", "name: [a]\n", "kind: [a]\n", "kind: lora\n",
    "max_length: !!int ''\n", "text: !!binary aGk=\n", "text: !!python/name:os.system\n",
    "data: !!python/object/apply:os.system ['true']\n", "labels: !!set {a, b}\n",
    "max_length: 0x" + "f" * 5000 + "\n", "max_length: 1:59:59\n", "max_length: .inf\n",
    "data: {train: '${'}\n", "data: {train: ${a}}\n", "text: '${task.text}'\n",
    "labels: " + "[" * 30 + "]" * 30 + "\n", "data: {train: " + "[" * 15 + "]" * 15 + "}\n",
    "\ttext: a\n", "text: |\n  a\n\n", 'text: "\\ud800"\n', 'data: {train: "a\\0b"}\n', "- a\n",
    "a\n", "text: *nope\n", "text: &a a\nlabel: *a\n", "max_length: 5\r\n", "max_length: 5\r",
    "\u2028", "\0",
)  # fmt: skip
plain = st.lists(st.sampled_from(LINES), max_size=6).map("".join)
encodings = st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "utf-32"))


@fuzz(150)
@given(plain | torn(plain, ":[]{}&*!|>'\"\n\t ${" + CONTROL), encodings)
def test_any_task_file_makes_a_task_or_is_refused(text: str, encoding: str) -> None:
    composed(text.encode(encoding, "replace"))


@fuzz(50)
@given(st.binary(max_size=40))
def test_any_bytes_make_a_task_or_are_refused(content: bytes) -> None:
    composed(content)
    composed(KIND.encode() + content)
