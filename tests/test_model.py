"""Trunk, top and head: one model, wherever it is split, whatever stands beside a text."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import SHAPES, backbone, batch_of, furthest

from gptasks.data.batching import collate
from gptasks.model import Model, decode
from gptasks.tasks.sequence_classification import SequenceClassification

TEXTS = ("a short one", "x", "a longer text, so that the others of this batch are padded")


def task(**options: Any) -> SequenceClassification:
    return SequenceClassification(labels=["a", "b", "c"], **options)


def model(
    shape: str = "llama", split: int = 0, dtype: Any = torch.float32, **options: Any
) -> Model:
    whole = backbone(shape, dtype)
    kind = task(**options)
    torch.manual_seed(0)
    return Model(kind, whole, kind.head(whole), split).eval()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pooling", ["last", "mean"])
@torch.no_grad()
def test_logits_do_not_depend_on_the_split(shape: str, pooling: str):
    whole = model(shape, pooling=pooling)
    batch = batch_of(whole.backbone, TEXTS)
    expected = whole(batch)
    assert expected.shape == (3, 3)
    for split in (1, 2, 3, 4):
        assert torch.equal(model(shape, split, pooling=pooling)(batch), expected)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_states_computed_before_give_the_same_logits(shape: str):
    """Each text's states are computed alone, as a cache holds them, and padded with zeros."""
    halves = model(shape, split=2)
    ids = [halves.backbone.tokenizer.encode(text).ids for text in TEXTS]
    alone = [batch_of(halves.backbone, [text]) for text in TEXTS]
    windows = [
        {"input_ids": i, "states": halves.states(batch)[0]}
        for i, batch in zip(ids, alone, strict=True)
    ]
    cached = collate(windows, 0, torch.device("cpu"))
    assert furthest(halves(cached), halves(batch_of(halves.backbone, TEXTS))) < 1e-5
    cached["states"] = cached["states"] * 2
    assert furthest(halves(cached), halves(batch_of(halves.backbone, TEXTS))) > 1e-3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pooling", ["last", "mean"])
@torch.no_grad()
def test_a_text_gets_the_same_logits_alone_and_in_a_batch(shape: str, pooling: str):
    whole = model(shape, pooling=pooling)
    together = whole(batch_of(whole.backbone, TEXTS))
    for row, text in enumerate(TEXTS):
        assert furthest(together[row], whole(batch_of(whole.backbone, [text]))[0]) < 1e-5


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@torch.no_grad()
def test_a_last_token_that_is_the_pad_token_is_read_like_any_other(shape: str, pooling: str):
    """No mask is made from ids, so the end of text counts where it really stands."""
    whole = model(shape, pooling=pooling)
    ids = [[65, 66, 0], [65, 66, 67, 68, 69]]
    together = whole(collate([{"input_ids": i} for i in ids], 0, torch.device("cpu")))
    states = whole.backbone.model(input_ids=torch.tensor([ids[0]])).last_hidden_state  # no mask
    alone = whole.head(states[:, -1] if pooling == "last" else states.mean(1))
    before = whole(collate([{"input_ids": ids[0][:2]}], 0, torch.device("cpu")))
    assert furthest(together[0], alone[0]) < 1e-5
    assert furthest(together[0], before[0]) > 1e-3


@torch.no_grad()
def test_the_head_reads_the_last_real_token_or_the_mean_of_all():
    last, mean = task(), task(pooling="mean")
    hidden = torch.tensor([[[1.0, 2], [3, 4], [90, 90]], [[1.0, 1], [2, 2], [6, 9]]])
    batch = {"attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1]])}
    assert last.pool(hidden, batch).tolist() == [[3, 4], [6, 9]]
    assert mean.pool(hidden, batch).tolist() == [[2, 3], [3, 4]]


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_nothing_is_computed_backwards_through_the_trunk(shape: str):
    halves = model(shape, split=2).train()
    for parameter in halves.top.parameters():
        parameter.requires_grad_(True)
    for parameter in halves.trunk.parameters():
        parameter.requires_grad_(True)
    halves(batch_of(halves.backbone, TEXTS)).sum().backward()
    layers = "layers" if shape == "llama" else "h"
    assert halves.head.weight.grad is not None
    assert all(p.grad is not None for p in getattr(halves.top, layers).parameters())
    assert all(p.grad is None for p in getattr(halves.trunk, layers).parameters())


def test_dropout_is_on_in_the_top_only():
    """GPT-2 drops a tenth of its states while it is trained."""
    halves = model("gpt2", split=2).train()
    batch = batch_of(halves.backbone, TEXTS)
    first, second = halves.states(batch), halves.states(batch)
    assert first is not None
    assert second is not None
    assert torch.equal(first, second)
    assert not torch.equal(halves(batch), halves(batch))
    halves.eval()
    assert torch.equal(halves(batch), halves(batch))


@torch.no_grad()
def test_the_head_computes_in_fp32_on_a_bf16_backbone():
    whole = model(dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = whole(batch_of(whole.backbone, TEXTS))
    assert logits.dtype == whole.head.weight.dtype == torch.float32


def test_a_model_without_a_trunk_has_no_states():
    whole = model()
    assert whole.trunk is None
    assert whole.states(batch_of(whole.backbone, TEXTS)) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_attention_is_computed_the_quicker_way_to_the_same_effect(shape: str) -> None:
    """The fused kernel forward, and where long texts are learnt from."""
    tiny = backbone(shape)
    batch = {
        "input_ids": torch.arange(40).view(2, 20) + 3,
        "attention_mask": torch.tensor([[1] * 20, [1] * 12 + [0] * 8]),
    }
    top = tiny.piece(1, tiny.layers, is_top=True)  # its layers' configuration is not its own

    def kinds(learning: bool) -> tuple[set[str], torch.Tensor]:
        with torch.set_grad_enabled(learning):
            found = decode(top, batch, torch.ones(2, 20, tiny.hidden_size))
        configs = [m.config for m in top.modules() if hasattr(m, "config")]
        return {config._attn_implementation for config in configs}, found

    assert kinds(learning=True)[0] == {"eager"}
    assert kinds(learning=False)[0] == {"sdpa"}
    assert furthest(kinds(True)[1], kinds(False)[1], batch["attention_mask"]) < 1e-5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gptasks.backbone.FUSED_FROM", 20)
        assert kinds(learning=True)[0] == {"sdpa"}
