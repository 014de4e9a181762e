"""A decoder cut and split by layers computes what the whole computes, in fp32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import SHAPES, backbone, batch_of, decoder, furthest
from transformers import AutoModel

from gptasks.backbone import Backbone
from gptasks.errors import BackboneError
from gptasks.model import decode

TEXTS = ("a short one", "x", "a longer text, so that the others of this batch are padded a lot")


@pytest.mark.parametrize("shape", SHAPES)
def test_trunk_and_top_give_what_the_whole_gives_at_any_split(shape: str):
    whole = backbone(shape)
    batch = batch_of(whole, TEXTS)
    with torch.no_grad():
        expected = decode(whole.model, batch)
        for split in (1, 2, 3, 4):
            states = decode(whole.piece(0, split), batch)
            found = decode(whole.piece(split, 4, is_top=True), batch, states)
            assert furthest(found, expected, batch["attention_mask"]) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_layers_run_one_by_one_give_what_the_whole_gives(shape: str):
    whole = backbone(shape)
    batch = batch_of(whole, TEXTS)
    states = None
    with torch.no_grad():
        for layer in range(4):
            states = decode(whole.piece(layer, layer + 1), batch, states)
        found = whole.norm(states)
        assert furthest(found, decode(whole.model, batch), batch["attention_mask"]) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cut_backbone_saved_and_reopened_is_the_same_and_ends_in_the_final_norm(
    shape: str, tmp_path: Path
):
    whole = backbone(shape)
    batch = batch_of(whole, TEXTS)
    cut = whole.cut(3)
    cut.model.save_pretrained(tmp_path)
    reopened = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with torch.no_grad():
        lower = decode(whole.piece(0, 3), batch)
        expected = whole.norm(lower)
        assert furthest(decode(cut.model, batch), expected, batch["attention_mask"]) == 0
        assert furthest(decode(reopened, batch), expected, batch["attention_mask"]) == 0
        assert furthest(lower, expected, batch["attention_mask"]) > 0.1  # the norm does something
    assert reopened.config.num_hidden_layers == 3


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_a_cut_is_what_transformers_opens_with_fewer_layers(shape: str, tmp_path: Path):
    whole = backbone(shape)
    batch = batch_of(whole, TEXTS)
    whole.model.save_pretrained(tmp_path)
    shorter = AutoModel.from_pretrained(
        tmp_path, num_hidden_layers=2, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        found = decode(whole.cut(2).model, batch)
        assert furthest(found, decode(shorter, batch), batch["attention_mask"]) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_text_in_a_padded_batch_is_read_as_when_it_is_alone(shape: str):
    whole = backbone(shape)
    with torch.no_grad():
        together = decode(whole.model, batch_of(whole, TEXTS))
        for row, text in enumerate(TEXTS):
            alone = decode(whole.model, batch_of(whole, [text]))[0]
            assert furthest(together[row, : len(alone)], alone) < 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_what_fills_a_batch_does_not_matter(shape: str):
    """A mask made from lengths hides any id, the pad token's being no better than another's."""
    whole = backbone(shape)
    batch = batch_of(whole, TEXTS)
    other = {**batch, "input_ids": batch["input_ids"].clone()}
    other["input_ids"][batch["attention_mask"] == 0] = 77
    with torch.no_grad():
        found, expected = decode(whole.model, other), decode(whole.model, batch)
    assert furthest(found, expected, batch["attention_mask"]) == 0


def test_cuts_and_pieces_share_the_weights_and_leave_the_whole_alone():
    whole = backbone("gpt2")
    before = {name: p.clone() for name, p in whole.model.state_dict().items()}
    cut, piece = whole.cut(2), whole.piece(2, 4)
    assert cut.model.h[0] is whole.model.h[0]
    assert piece.h[1] is whole.model.h[3]
    assert (cut.layers, whole.layers, whole.model.config.num_hidden_layers) == (2, 4, 4)
    assert isinstance(whole.norm, torch.nn.LayerNorm)
    assert isinstance(whole.model.wpe, torch.nn.Embedding)
    after = whole.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_cut_can_be_cut_again():
    whole = backbone("qwen3")
    batch = batch_of(whole, TEXTS)
    with torch.no_grad():
        twice, once = whole.cut(3).cut(2), whole.cut(2)
        assert furthest(decode(twice.model, batch), decode(once.model, batch)) == 0
    assert whole.cut(3).model.config.layer_types == ["full_attention"] * 2 + ["sliding_attention"]


@pytest.mark.parametrize("layer", [0, -1, 5])
def test_a_layer_that_is_not_there_is_refused(layer: int):
    with pytest.raises(
        BackboneError, match=f"layer {layer} is not in backbone 'llama'; it has layers 1 to 4"
    ):
        backbone().cut(layer)


def test_facts_of_a_backbone():
    whole = backbone("gpt2", torch.bfloat16)
    assert (whole.hidden_size, whole.layers, whole.context) == (32, 4, 512)
    assert (whole.dtype, whole.device) == (torch.bfloat16, torch.device("cpu"))


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ("gpt2", {"h.3.attn.c_attn", "h.3.attn.c_proj", "h.3.mlp.c_fc", "h.3.mlp.c_proj"}),
        (
            "llama",
            {f"layers.3.self_attn.{n}_proj" for n in "qkvo"}
            | {f"layers.3.mlp.{n}_proj" for n in ("gate", "up", "down")},
        ),
    ],
)
def test_the_matrices_of_some_layers_have_names(shape: str, names: set[str]):
    assert set(backbone(shape).linear_maps(range(3, 4))) == names


@pytest.mark.parametrize("shape", SHAPES)
def test_known_decoders_pass_the_check(shape: str):
    backbone(shape).check()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("bert", "is a BertModel, which is not one list of decoder layers; take a decoder such as"),
        ("granite", "the layers of a GraniteModel do not go on from given states .* be split"),
        ("bloom", "the layers of a BloomModel do not go on from given states .* be split"),
        ("gpt_neo", "the configuration of a GPTNeoModel can't be cut to fewer layers"),
    ],
)
def test_a_model_that_can_not_be_cut_is_refused_before_any_work(shape: str, message: str):
    with pytest.raises(BackboneError, match=message):
        Backbone(decoder(shape), backbone().tokenizer, shape, shape).check()


def test_a_decoder_without_layers_is_refused():
    whole = backbone()
    whole.model.layers = torch.nn.ModuleList()
    with pytest.raises(BackboneError, match=r"is a LlamaModel, which is not one list of decoder"):
        replace(whole).check()


def test_a_decoder_whose_last_norm_has_no_known_name_is_refused():
    whole = backbone()
    whole.model.last = whole.model.norm
    del whole.model.norm
    renamed = replace(whole)
    with pytest.raises(BackboneError, match="is a LlamaModel without a final norm by any known"):
        renamed.check()


def test_weights_that_are_no_numbers_are_refused():
    whole = backbone()
    whole.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    with pytest.raises(BackboneError, match="computes values that are no finite numbers in"):
        whole.check()


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused():
    whole = backbone()
    whole.tokenizer.hf.add_tokens(["word"])
    with pytest.raises(
        BackboneError, match="has embeddings for 257 tokens, but its tokenizer gives ids up to 257"
    ):
        whole.check()


def test_a_special_token_without_an_embedding_is_no_fault_unless_it_pads():
    whole = backbone()
    whole.tokenizer.hf.add_special_tokens({"cls_token": "[CLS]"})
    whole.check()
    whole.tokenizer.hf.pad_token = "[CLS]"
    with pytest.raises(BackboneError, match="they do not belong together"):
        whole.check()
