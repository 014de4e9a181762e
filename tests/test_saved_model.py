"""`model/` opens in plain transformers, with its label names and equal logits, and in gptasks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SHAPES, backbone, batch_of, full_disk, furthest
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from gptasks.data.batching import collate
from gptasks.errors import RunError
from gptasks.model import Model
from gptasks.runtime import Runtime
from gptasks.saved_model import check_digests, load_model, model_digests, save_model
from gptasks.task import Row
from gptasks.tasks.sequence_classification import SequenceClassification

RUNTIME = Runtime(torch.device("cpu"), torch.float32)
END = "<|endoftext|>"
TEXTS = [
    "a short one",
    "x",
    f"it ends in {END}",
    "a longer one, so that the others are padded",
    END,
]
PLAIN = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}

OPENED_BY_A_STRANGER = """
import json, sys
sys.modules["gptasks"] = None  # importing it fails
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
batch = tokenizer(json.loads(sys.argv[2]), padding=True, return_tensors="pt")
with torch.no_grad():
    print(json.dumps([model.config.id2label, model(**batch).logits.tolist()]))
"""


def trained(
    shape: str = "llama",
    labels: str = "no yes",
    layer: int = 3,
    dtype: Any = torch.float32,
    **o: Any,
) -> Model:
    """A model whose head is large enough to tell texts apart."""
    task = SequenceClassification(labels=labels.split(), **o)
    cut = backbone(shape, dtype).cut(layer)
    cut = replace(cut, tokenizer=task.tokenizer(cut.tokenizer))
    torch.manual_seed(0)
    head = task.head(cut)
    head.weight.data.mul_(50)
    return Model(task, cut, head).eval()


def saved(model: Model, folder: Path) -> Path:
    save_model(folder, model.task, model.backbone, model.head)
    return folder


@torch.no_grad()
def plain_logits(folder: Path, *texts: list[str]) -> torch.Tensor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    return model(**tokenizer(*texts, padding=True, return_tensors="pt")).logits


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("labels", ["no yes", "0 1 10", "坏 中 好 一般"])
@torch.no_grad()
def test_plain_transformers_gives_equal_logits_and_the_label_names(
    shape: str, labels: str, tmp_path: Path
):
    model = trained(shape, labels)
    expected = model(batch_of(model.backbone, TEXTS))
    folder = saved(model, tmp_path / "model")
    assert furthest(plain_logits(folder, TEXTS), expected) < 1e-5
    config = AutoModelForSequenceClassification.from_pretrained(folder).config
    assert config.id2label == dict(enumerate(labels.split()))
    assert config.label2id == {label: i for i, label in enumerate(labels.split())}
    assert config.num_hidden_layers == 3
    assert config.pad_token_id == model.backbone.tokenizer.pad_id


@torch.no_grad()
def test_a_stranger_without_gptasks_opens_it(tmp_path: Path):
    model = trained("gpt2", "bad fair good")
    folder = saved(model, tmp_path / "model")
    shown = subprocess.run(
        [sys.executable, "-c", OPENED_BY_A_STRANGER, str(folder), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    names, logits = json.loads(shown.stdout)
    assert names == {"0": "bad", "1": "fair", "2": "good"}
    assert furthest(torch.tensor(logits), model(batch_of(model.backbone, TEXTS))) < 1e-5


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
@torch.no_grad()
def test_a_pair_is_read_the_same_by_plain_transformers(shape: str, tmp_path: Path):
    model = trained(shape, text_pair="second", template="from {text} => {text_pair}.")
    rows = [("it rains", "it is wet"), ("a", "b"), ("one", END)]
    windows = [
        {"input_ids": model.backbone.tokenizer.encode(first, second).ids} for first, second in rows
    ]
    expected = model(collate(windows, model.backbone.tokenizer.pad_id, torch.device("cpu")))
    folder = saved(model, tmp_path / "model")
    found = plain_logits(folder, *[list(column) for column in zip(*rows, strict=True)])
    assert furthest(found, expected) < 1e-5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("layer", [1, 4])
@torch.no_grad()
def test_gptasks_reads_back_what_it_wrote(shape: str, pooling: str, layer: int, tmp_path: Path):
    model = trained(shape, layer=layer, pooling=pooling, truncation_side="left", max_length=9)
    window = next(
        model.task.encode(Row({"text": "cut at its left"}, "r"), model.backbone.tokenizer)
    )
    batch = collate([window], 0, torch.device("cpu"))
    again = load_model(saved(model, tmp_path / "model"), model.task, RUNTIME)
    assert furthest(again(batch), model(batch)) < 1e-6
    row = Row({"text": "cut at its left"}, "r")
    assert next(again.task.encode(row, again.backbone.tokenizer)) == window
    assert (again.backbone.layers, window["lost"], again.training) == (layer, 6, False)
    assert not any(parameter.requires_grad for parameter in again.parameters())


@torch.no_grad()
def test_mean_pooling_keeps_the_head_apart_and_says_how_to_open_it(tmp_path: Path):
    model = trained(pooling="mean")
    folder = saved(model, tmp_path / "model")
    assert {p.name for p in folder.iterdir()} == {*PLAIN, "head.safetensors", "README.md"}
    note = (folder / "README.md").read_text()
    assert "no class of plain transformers computes" in note
    assert "gptasks.load(RUN)" in note
    assert list(load_file(folder / "head.safetensors")) == ["weight"]
    plain = AutoModel.from_pretrained(folder)
    batch = batch_of(model.backbone, TEXTS)
    pooled = model.task.pool(plain(**batch).last_hidden_state, batch)
    head = load_file(folder / "head.safetensors")["weight"]
    assert furthest(pooled @ head.T, model(batch)) < 1e-5


def test_an_architecture_without_a_class_of_its_own_keeps_the_head_apart(tmp_path: Path):
    """CodeGen has no class for sequence classification in transformers."""
    from transformers import CodeGenConfig, CodeGenModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4}
    decoder = CodeGenModel(CodeGenConfig(**sizes, bos_token_id=0, eos_token_id=0)).eval()
    tiny = replace(backbone(), model=decoder)
    task = SequenceClassification(labels=["a", "b"])
    model = Model(task, tiny, task.head(tiny)).eval()
    again = load_model(saved(model, tmp_path / "model"), task, RUNTIME)
    batch = batch_of(tiny, TEXTS)
    with torch.no_grad():
        assert furthest(again(batch), model(batch)) < 1e-6


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_only_safetensors_and_json_are_written(shape: str, tmp_path: Path):
    folder = saved(trained(shape), tmp_path / "model")
    assert {p.name for p in folder.iterdir()} == PLAIN
    with pytest.raises(UnicodeDecodeError):  # no text, and it opens as safetensors:
        (folder / "model.safetensors").read_text("utf-8")
    tensors = load_file(folder / "model.safetensors")
    assert tensors["score.weight"].shape == (2, 32)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


@torch.no_grad()
def test_the_number_format_of_the_backbone_is_kept(tmp_path: Path):
    model = trained(dtype=torch.bfloat16)
    folder = saved(model, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    opened = load_model(folder, model.task, Runtime(torch.device("cpu"), torch.bfloat16))
    assert (opened.backbone.dtype, opened.head.weight.dtype) == (torch.bfloat16, torch.float32)


def test_saving_again_replaces_the_model(tmp_path: Path):
    saved(trained(), tmp_path / "model")
    other = trained()
    other.head.weight.data.neg_()
    folder = saved(other, tmp_path / "model")
    assert torch.equal(load_file(folder / "model.safetensors")["score.weight"], other.head.weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saving_does_not_change_the_model(dtype: torch.dtype, tmp_path: Path):
    model = trained("gpt2", dtype=dtype)
    batch = batch_of(model.backbone, TEXTS)
    with torch.no_grad():
        before = model(batch)
        saved(model, tmp_path / "model")
        assert torch.equal(model(batch), before)
    assert model.head.weight.dtype == torch.float32


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        RunError, match=r"model can't be written to .*/file/model: .*Not a directory.*make room"
    ) as caught:
        saved(trained(), tmp_path / "file" / "model")
    assert caught.value.exit_code == 1


def test_a_full_disk_is_one_line(tmp_path: Path):
    with full_disk(), pytest.raises(RunError, match=r"can't be written .* make room, then repeat"):
        saved(trained(), tmp_path / "model")
    assert saved(trained(), tmp_path / "model").is_dir()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def without_head(path: Path) -> None:
    tensors = load_file(path)
    del tensors["score.weight"]
    save_file(tensors, path, {"format": "pt"})


def with_limit(limit: Any) -> Any:
    def damage(path: Path) -> None:
        held = json.loads(path.read_text())
        path.write_text(json.dumps({**held, "model_max_length": limit}))

    return damage


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.safetensors", Path.unlink, "can't be opened: .*model.safetensors"),
        ("model.safetensors", cut_short, "can't be opened: .*not fully covered"),
        ("model.safetensors", without_head, r"lacks weights .*: score\.weight"),
        ("config.json", Path.unlink, "holds no whole model: config.json is missing; copy the run"),
        ("config.json", lambda path: path.write_text("{"), "can't be opened: .*not a valid JSON"),
        ("tokenizer.json", Path.unlink, "holds no whole model: tokenizer.json is missing"),
        (
            "tokenizer_config.json",
            with_limit("x"),
            r"\.json: model_max_length is 'x'; copy the run",
        ),
        ("tokenizer_config.json", with_limit(-1), r"\.json: model_max_length is -1; copy the run"),
    ],
)
def test_a_damaged_model_is_one_line(name: str, damage: Any, message: str, tmp_path: Path):
    model = trained()
    folder = saved(model, tmp_path / "model")
    damage(folder / name)
    with pytest.raises(RunError, match=message) as caught:
        load_model(folder, model.task, RUNTIME)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("damage", [cut_short, lambda path: save_file({}, path)])
def test_a_damaged_head_is_one_line(damage: Any, tmp_path: Path):
    model = trained(pooling="mean")
    folder = saved(model, tmp_path / "model")
    damage(folder / "head.safetensors")
    with pytest.raises(RunError, match=r"head\.safetensors does not fit: ") as caught:
        load_model(folder, model.task, RUNTIME)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path: Path):
    model = trained()
    folder = saved(model, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(RunError, match=r"no file named model\.safetensors"):
        load_model(folder, model.task, RUNTIME)


def test_a_model_of_other_labels_is_refused(tmp_path: Path):
    folder = saved(trained(labels="a b c"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "a", "1": "b"}
    config["label2id"] = {"a": 0, "b": 1}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"score\.weight is of shape \(3, 32\), where .* \(2, 32\)"):
        load_model(folder, trained().task, RUNTIME)


def test_a_model_whose_labels_stand_in_another_order_is_refused(tmp_path: Path):
    folder = saved(trained(labels="no yes"), tmp_path / "model")
    with pytest.raises(
        RunError,
        match=r"config\.json says id2label=\{0: 'no', 1: 'yes'\}, where this "
        r"run has \{0: 'yes', 1: 'no'\}; copy the run folder anew",
    ):
        load_model(folder, trained(labels="yes no").task, RUNTIME)


def test_a_file_that_is_another_than_was_saved_is_named(tmp_path: Path):
    folder = saved(trained(), tmp_path / "model")
    stored = model_digests(folder)
    assert stored.keys() == PLAIN
    (folder / "README.md").write_text("my own words")
    check_digests(folder, stored)
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # a weight: the file opens as before
    path.write_bytes(content)
    with pytest.raises(
        RunError, match=r"model\.safetensors is not as the run wrote it; copy the run"
    ):
        check_digests(folder, stored)
    path.unlink()
    with pytest.raises(RunError, match=r"model\.safetensors is missing; copy the run folder anew"):
        check_digests(folder, stored)
    with pytest.raises(RunError, match=r"absent/config\.json is missing; copy the run folder anew"):
        check_digests(tmp_path / "absent", stored)


def test_no_folder_is_no_model(tmp_path: Path):
    with pytest.raises(RunError, match=r"absent holds no whole model: config\.json is missing"):
        load_model(tmp_path / "absent", trained().task, RUNTIME)
