"""Batches keep a budget of padded tokens; their order is a function of seed and epoch alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gptasks.data.batching import collate, epoch_batches, sorted_batches

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 60), max_size=200)
BUDGETS = st.integers(1, 200)
SEEDS = st.integers(0, 2**32 - 1)


def check(batches: list[list[int]], lengths: Sequence[int], budget: int) -> None:
    """Every index once; each batch within the budget, or alone."""
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


@given(LENGTHS, BUDGETS, SEEDS, st.integers(0, 5))
def test_an_epoch_holds_every_index_once_within_the_budget(
    lengths: list[int], budget: int, seed: int, epoch: int
):
    check(epoch_batches(lengths, budget, seed=seed, epoch=epoch), lengths, budget)


@given(LENGTHS, BUDGETS)
def test_sorted_batches_hold_every_index_once_within_the_budget(lengths: list[int], budget: int):
    batches = sorted_batches(lengths, budget)
    check(batches, lengths, budget)
    assert [lengths[i] for batch in batches for i in batch] == sorted(lengths)


@given(LENGTHS, BUDGETS, SEEDS)
def test_the_order_is_a_function_of_its_arguments_alone(lengths: list[int], budget: int, seed: int):
    first = epoch_batches(lengths, budget, seed=seed, epoch=1)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    epoch_batches(lengths, budget, seed=seed, epoch=0)
    assert epoch_batches(lengths, budget, seed=seed, epoch=1) == first


def test_the_order_is_the_same_on_every_machine_and_in_every_version():
    """A run that goes on after an update must see the rows it has not seen yet."""
    lengths = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    assert epoch_batches(lengths, 10, seed=0, epoch=0) == [[8], [2, 4], [3, 1, 6], [5], [7], [9, 0]]
    assert epoch_batches(lengths, 10, seed=0, epoch=1) == [[4], [7], [2, 8], [1, 3, 6], [9, 0], [5]]


def test_seeds_and_epochs_give_other_orders():
    lengths = [1 + i % 7 for i in range(500)]
    orders = [
        epoch_batches(lengths, 64, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)
    ]
    assert all(one != other for n, one in enumerate(orders) for other in orders[:n])
    sets = [{frozenset(batch) for batch in order} for order in orders]
    assert all(len(one & other) < 30 for n, one in enumerate(sets) for other in sets[:n])


def test_batches_of_an_epoch_come_in_no_order_of_length():
    lengths = list(range(1, 201))
    widths = [max(lengths[i] for i in b) for b in epoch_batches(lengths, 400, seed=0, epoch=0)]
    assert widths != sorted(widths)
    assert widths != sorted(widths, reverse=True)


def test_similar_lengths_come_together():
    lengths = [1 + (i * 37) % 64 for i in range(3000)]
    batches = epoch_batches(lengths, 1024, seed=0, epoch=0)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padded < 1.05 * sum(lengths)  # in the order of the rows it would be twice as much


def test_a_window_beyond_the_budget_is_a_batch_by_itself():
    assert sorted_batches([5, 100, 5, 4], 10) == [[3, 0], [2], [1]]
    assert [1] in epoch_batches([5, 100, 5, 4], 10, seed=0, epoch=0)


def test_a_batch_fills_its_budget():
    assert sorted_batches([2] * 6, 8) == [[0, 1, 2, 3], [4, 5]]
    assert sorted_batches([1, 1, 1, 4], 8) == [[0, 1, 2], [3]]
    assert sorted_batches([], 8) == []
    assert epoch_batches([], 8, seed=0, epoch=0) == []


# -- collate ------------------------------------------------------------------------------


def test_a_batch_is_padded_on_the_right_and_masked_by_length():
    batch = collate([{"input_ids": [7, 0]}, {"input_ids": [7, 8, 9]}, {"input_ids": [0]}], 0, CPU)
    assert batch["input_ids"].tolist() == [[7, 0, 0], [7, 8, 9], [0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1], [1, 0, 0]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.long}


def test_the_mask_does_not_depend_on_the_pad_token():
    windows = [{"input_ids": [7, 0, 5]}, {"input_ids": [5]}]
    masks = [collate(windows, pad, CPU)["attention_mask"].tolist() for pad in (0, 5, 7)]
    assert masks == [[[1, 1, 1], [1, 0, 0]]] * 3
    assert collate(windows, 5, CPU)["input_ids"].tolist() == [[7, 0, 5], [5, 5, 5]]


def test_labels_of_rows_and_of_tokens():
    batch = collate(
        [
            {"input_ids": [1, 2, 3], "label": 2, "labels": [4, -100, 5]},
            {"input_ids": [1], "label": 0, "labels": [6]},
        ],
        0,
        CPU,
    )
    assert batch["label"].tolist() == [2, 0]
    assert batch["label"].dtype == torch.long
    assert batch["labels"].tolist() == [[4, -100, 5], [6, -100, -100]]


def test_labels_that_are_measures_stay_numbers_with_a_point():
    batch = collate([{"input_ids": [1], "label": 0.5}, {"input_ids": [1], "label": 2.0}], 0, CPU)
    assert batch["label"].tolist() == [0.5, 2.0]
    assert batch["label"].dtype == torch.float32


def test_states_are_padded_with_zeros_in_their_own_format():
    one, two = torch.ones(1, 4).bfloat16(), torch.full((2, 4), 2.0).bfloat16()
    batch = collate(
        [{"input_ids": [1], "states": one}, {"input_ids": [1, 2], "states": two}], 0, CPU
    )
    assert batch["states"].dtype == torch.bfloat16
    assert batch["states"][:, :, 0].tolist() == [[1, 0], [2, 2]]


def test_a_label_that_some_windows_lack_is_left_out():
    batch = collate(
        [{"input_ids": [1], "label": 1, "row": 0}, {"input_ids": [1], "row": 1}], 0, CPU
    )
    assert set(batch) == {"input_ids", "attention_mask", "row"}


@pytest.mark.parametrize("value", [["a", "b"], [(0, 1), (2, 3)], [{"x": 1}, {"x": 2}]])
def test_other_keys_become_lists(value: list[object]):
    windows = [{"input_ids": [1], "extra": entry} for entry in value]
    assert collate(windows, 0, CPU)["extra"] == value
