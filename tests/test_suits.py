"""What is left open suits the task and the strategy; the configuration holds the outcome."""

from __future__ import annotations

import pytest

from gptasks.config import compose, from_resolved
from gptasks.registry import Registry


@pytest.mark.parametrize(
    ("overrides", "attention", "depth"),
    [
        (["strategy=lora"], "two-way", 1.0),
        (["strategy=full"], "two-way", 1.0),
        (["strategy=head"], "causal", None),
        (["strategy=lora", "task.attention=causal", "strategy.depth=0.5"], "causal", 0.5),
        (["strategy=head", "task.attention=two-way"], "two-way", None),
        (["strategy=lora", "task.attention=null", "strategy.depth=null"], "two-way", 1.0),
    ],
)
def test_tags_want_every_layer_and_both_ways(
    overrides: list[str], attention: str, depth: float | None
) -> None:
    config = compose(["task=token_classification", *overrides])
    assert config.resolved["task"]["attention"] == attention
    assert config.resolved["strategy"].get("depth") == depth
    assert from_resolved(config.resolved, Registry()).resolved == config.resolved


@pytest.mark.parametrize("task", ["sequence_classification", "conditional_generation"])
def test_texts_want_few_layers(task: str) -> None:
    assert compose([f"task={task}"]).resolved["strategy"]["depth"] == 0.13
    assert compose([f"task={task}", "strategy=full"]).resolved["strategy"]["depth"] == 1.0
