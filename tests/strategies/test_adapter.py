"""`adapter/` opens in PEFT on the plain backbone and gives what the merged model gives, in fp32."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from tiny_models import SHAPES, backbone, batch_of, full_disk, furthest
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from gptasks.backbone import Backbone
from gptasks.errors import RunError
from gptasks.model import Model
from gptasks.saved_model import save_model
from gptasks.strategies.adapter import AdapterWeights, adapter_weights
from gptasks.strategies.lora import Lora
from gptasks.tasks.sequence_classification import SequenceClassification

TEXTS = ["a short one", "x", "a longer one, so that the others are padded"]
TARGETS = {
    "llama": ("q_proj", "v_proj"),
    "qwen3": ("q_proj", "v_proj"),
    "gpt2": ("c_attn",),
    "gpt_neox": ("query_key_value",),
}
LAYERS = 3

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT


@dataclass
class Trained:
    """What a training with adapters on the upper layers of a cut backbone leaves."""

    whole: Backbone
    merged: Model
    weights: AdapterWeights


def trained(shape: str, labels: str = "bad good", adapter: str = "lora", **options: Any) -> Trained:
    """Adapters on layers 2 and 3 of 4, the backbone cut at 3, all of it far from its start."""
    whole = backbone(shape)
    copy = backbone(shape)  # the adapters are merged into the layers they share with the whole
    cut = copy.cut(LAYERS)
    task = SequenceClassification(labels=labels.split(), **options)
    head = task.head(cut)
    targets = [name for name in cut.linear_maps(range(1, LAYERS)) if name.endswith(TARGETS[shape])]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        adapted = get_peft_model(cut.model, strategy(adapter)._config(targets))
    for parameter in [p for p in adapted.parameters() if p.requires_grad]:
        parameter.data.normal_(std=0.2)
    head.weight.data.normal_()
    weights = adapter_weights(adapted, head, task.layout(), cut)
    plain = replace(cut, model=adapted.merge_and_unload().eval())
    return Trained(whole, Model(task, plain, head).eval(), weights)


def strategy(adapter: str) -> Lora:
    factors = {} if adapter == "ia3" else {"rank": 4, "alpha": 16}
    return Lora(adapter=adapter, **factors)


def saved_backbone(whole: Backbone, folder: Path) -> Path:
    whole.model.save_pretrained(folder)
    whole.tokenizer.save(folder)
    return folder


@pytest.mark.parametrize("shape", ["llama", "gpt2", "gpt_neox"])
@pytest.mark.parametrize(
    ("labels", "adapter"),
    [("bad good", "lora"), ("bad fair good", "lora"), ("bad good", "dora"), ("bad good", "ia3")],
)
@torch.no_grad()
def test_the_adapter_on_the_plain_backbone_is_the_merged_model(
    shape: str, labels: str, adapter: str, tmp_path: Path
):
    run = trained(shape, labels, adapter)
    run.weights.save(tmp_path / "adapter")
    base = saved_backbone(run.whole, tmp_path / "backbone")
    tokenizer = AutoTokenizer.from_pretrained(base)
    plain = AutoModelForSequenceClassification.from_pretrained(
        base,
        num_hidden_layers=LAYERS,
        num_labels=len(labels.split()),
        pad_token_id=tokenizer.pad_token_id,  # GPT-2 and GPT-NeoX name none
    )
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    untrained = plain.eval()(**batch).logits
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # PEFT warns of keys it misses
        opened = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    found = opened(**batch).logits
    assert furthest(found, run.merged(batch_of(run.whole, TEXTS))) < 1e-5
    assert furthest(found, untrained) > 0.1


@torch.no_grad()
def test_the_adapter_and_the_saved_model_agree(tmp_path: Path):
    run = trained("gpt2", "1 2 3")
    task, merged = run.merged.task, run.merged.backbone
    save_model(tmp_path / "model", task, merged, run.merged.head)
    run.weights.save(tmp_path / "adapter")
    base = saved_backbone(run.whole, tmp_path / "backbone")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    plain = AutoModelForSequenceClassification.from_pretrained(
        base, num_hidden_layers=LAYERS, num_labels=3, pad_token_id=tokenizer.pad_token_id
    )
    opened = PeftModel.from_pretrained(plain, tmp_path / "adapter")
    assert furthest(opened.eval()(**batch).logits, model.eval()(**batch).logits) < 1e-5
    unloaded = opened.merge_and_unload()
    assert furthest(unloaded(**batch).logits, model(**batch).logits) < 1e-5


@torch.no_grad()
def test_a_backbone_whose_layers_differ_needs_their_kinds_too(tmp_path: Path):
    """Qwen3 writes down each layer's kind; model/config.json has the shorter list."""
    run = trained("qwen3")
    run.weights.save(tmp_path / "adapter")
    base = saved_backbone(run.whole, tmp_path / "backbone")
    plain = AutoModelForSequenceClassification.from_pretrained(
        base,
        num_hidden_layers=LAYERS,
        layer_types=run.merged.backbone.model.config.layer_types,
        pad_token_id=0,
    )
    opened = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    batch = batch_of(run.whole, TEXTS)
    assert furthest(opened(**batch).logits, run.merged(batch)) < 1e-5


@torch.no_grad()
def test_without_a_plain_class_the_adapter_fits_the_bare_decoder(tmp_path: Path):
    run = trained("llama", pooling="mean")
    run.weights.save(tmp_path / "adapter")
    assert not any("score" in name for name in run.weights.tensors)
    base = saved_backbone(run.whole, tmp_path / "backbone")
    plain = AutoModel.from_pretrained(base, num_hidden_layers=LAYERS)
    opened = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    batch = batch_of(run.whole, TEXTS)
    pooled = run.merged.task.pool(opened(**batch).last_hidden_state, batch)
    assert furthest(run.merged.head(pooled), run.merged(batch)) < 1e-5


@torch.no_grad()
def test_an_architecture_without_a_plain_class_has_an_adapter_for_its_decoder(tmp_path: Path):
    """CodeGen has no class for sequence classification in transformers."""
    from transformers import CodeGenConfig, CodeGenModel

    sizes = {"vocab_size": 257, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4}
    torch.manual_seed(0)
    decoder = CodeGenModel(CodeGenConfig(**sizes, bos_token_id=0, eos_token_id=0)).eval()
    whole = replace(backbone(), model=decoder)
    base = saved_backbone(whole, tmp_path / "backbone")
    task = SequenceClassification(labels=["a", "b"])
    adapted = get_peft_model(decoder, strategy("lora")._config(["h.1.attn.qkv_proj"]))
    for parameter in [p for p in adapted.parameters() if p.requires_grad]:
        parameter.data.normal_(std=0.2)
    weights = adapter_weights(adapted, task.head(whole), task.layout(), whole)
    assert not any("score" in name for name in weights.tensors)
    weights.save(tmp_path / "adapter")
    batch = batch_of(whole, TEXTS)
    expected = adapted(**batch).last_hidden_state
    opened = PeftModel.from_pretrained(AutoModel.from_pretrained(base), tmp_path / "adapter")
    assert furthest(opened.eval()(**batch).last_hidden_state, expected) < 1e-5
    plain = AutoModel.from_pretrained(base)
    assert furthest(plain(**batch).last_hidden_state, expected) > 0.01


@pytest.mark.parametrize("shape", SHAPES)
def test_an_adapter_is_safetensors_and_json(shape: str, tmp_path: Path):
    run = trained(shape)
    run.weights.save(tmp_path / "adapter")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert names == {"adapter_model.safetensors", "adapter_config.json"}
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert tensors["base_model.model.score.weight"].shape == (2, 32)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["task_type"], config["r"]) == ("LORA", "SEQ_CLS", 4)
    assert config["modules_to_save"] == ["score"]
    assert config["inference_mode"] is True
    assert config["base_model_name_or_path"] == run.whole.source
    assert config["fan_in_fan_out"] is (shape == "gpt2")  # its weights are transposed


def test_factors_on_outputs_say_that_no_inputs_are_scaled(tmp_path: Path):
    """Without that PEFT would take its own list of maps whose inputs are."""
    trained("gpt2", adapter="ia3").weights.save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["peft_type"], config["feedforward_modules"]) == ("IA3", "")
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    name = "base_model.model.transformer.h.1.attn.c_attn.ia3_l"
    assert tensors[name].shape == (96, 1)


@pytest.mark.parametrize(
    ("source", "named", "revision"),
    [
        ("owner/name", "owner/name", None),
        ("owner/name@v2", "owner/name", "v2"),
        ("/home/me@work/gpt", "/home/me@work/gpt", None),
    ],
)
def test_a_backbone_of_the_hub_is_named_as_peft_reads_it(
    source: str, named: str, revision: str | None
):
    cut = replace(backbone(), source=source)
    adapted = get_peft_model(cut.model, strategy("ia3")._config(cut.linear_maps(range(3, 4))))
    task = SequenceClassification(labels=["a", "b"])
    config = adapter_weights(adapted, task.head(cut), task.layout(), cut).config
    assert (config["base_model_name_or_path"], config.get("revision")) == (named, revision)


def test_weights_are_copied_before_they_are_merged_or_trained_on():
    run = trained("llama")
    held = run.weights.tensors["base_model.model.score.weight"].clone()
    run.merged.head.weight.data.zero_()
    assert torch.equal(run.weights.tensors["base_model.model.score.weight"], held)


@pytest.mark.parametrize("adapter", ["lora", "ia3"])
def test_many_adapted_maps_are_found_again(adapter: str, tmp_path: Path):
    """PEFT writes more than twenty names in a shorter form."""
    whole, copy = backbone("llama"), backbone("llama")
    task = SequenceClassification(labels=["a", "b"])
    targets = copy.linear_maps(range(1, 4))
    assert len(targets) == 21
    adapted = get_peft_model(copy.model, strategy(adapter)._config(targets))
    for parameter in [p for p in adapted.parameters() if p.requires_grad]:
        parameter.data.normal_(std=0.2)
    head = task.head(copy)
    adapter_weights(adapted, head, task.layout(), copy).save(tmp_path / "adapter")
    base = saved_backbone(whole, tmp_path / "backbone")
    plain = AutoModelForSequenceClassification.from_pretrained(base)
    opened = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    batch = batch_of(whole, TEXTS)
    with torch.no_grad():
        merged = replace(copy, model=adapted.merge_and_unload().eval())
        expected = Model(task, merged, head).eval()(batch)
        assert furthest(opened(**batch).logits, expected) < 1e-5


def test_a_full_disk_is_one_line(tmp_path: Path):
    run = trained("llama")
    with (
        full_disk(500),
        pytest.raises(RunError, match=r"can't be written to .*adapter: .* make room"),
    ):
        run.weights.save(tmp_path / "adapter")
