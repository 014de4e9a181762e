"""A task that keeps the contract, and rows for it; the tests break one thing of it at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugin_folders import package

from gptasks.testing import CHECKS, outcomes

CODE = '''
from __future__ import annotations

import random
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from gptasks import (
    ConditionalGeneration, DataError, MeanMetric, Prediction, Row, SequenceClassification,
    TokenClassification, hookimpl,
)
{before}
{contract}


@dataclass
class Mine({base}):
    """A task of the tests."""

    name: ClassVar[str] = "mine"

{body}


@hookimpl
def register_tasks():
    return [Mine]
{after}
'''

WORDS = {"bad": "awful", "good": "great", "so so": "fine"}
OPINIONS = [
    {"text": f"the film number {n} was {WORDS[label]}{' and long' * (n % 5)}", "label": label}
    for n, label in enumerate([*WORDS] * 12)
]
WEATHER = [
    {
        "source": f"all through day {n} it rained in {('Bonn', 'Rome')[n % 2]}{' again' * (n % 4)}",
        "target": f"rain over {('Bonn', 'Rome')[n % 2]}",
    }
    for n in range(36)
]

PLACES = ("Bonn", "Rome", "New York", "Oslo", "San Marino")
NAMES = [
    {
        "tokens": f"on day {n} we left {PLACES[n % 5]} for good".split(),
        "tags": ["O"] * 5 + ["B-LOC", "I-LOC"][: len(PLACES[n % 5].split())] + ["O"] * 2,
    }
    for n in range(36)
]
CITIES = ("波恩", "罗马", "上海")
CHINESE = [
    {"source": f"第{n}天，{CITIES[n % 3]}一直在下雨，没有停。", "target": f"{CITIES[n % 3]}有雨"}
    for n in range(36)
]

Rows = Sequence[Mapping[str, Any]]

OF: dict[str, Rows] = {
    "SequenceClassification": OPINIONS,
    "ConditionalGeneration": WEATHER,
    "TokenClassification": NAMES,
    "Chinese": CHINESE,
}
"""Rows by base class; and Chinese ones of ConditionalGeneration."""


def plugin(
    body: str = "",
    *,
    base: str = "SequenceClassification",
    before: str = "",
    after: str = "",
    contract: str = "GPTASKS_CONTRACT = 2",
) -> str:
    """Write the task into ./plugins with `body` in its class; gives its name."""
    indented = "\n".join(f"    {line}" if line else "" for line in body.strip().splitlines())
    code = CODE.format(base=base, body=indented, before=before, after=after, contract=contract)
    package(Path("plugins"), "mine", code)
    return "mine"


def failures(
    *only: str, base: str = "SequenceClassification", rows: Rows | None = None
) -> dict[str, str]:
    """What fails of the task in ./plugins, by check."""
    found = list(outcomes("mine", rows or OF[base], only=only))
    assert {one.check for one in found} == set(only or CHECKS)
    return {one.check: one.failure for one in found if one.failure}
