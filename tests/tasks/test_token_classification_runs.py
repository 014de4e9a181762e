"""Tagging from end to end: what a run leaves, who opens it, what it says of texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from command_line import gptasks
from small_runs import (
    configured,
    predictions_of,
    remains,
    results_of,
    small,
    write_names,
)
from tiny_models import SHAPES, SIZES, backbone, furthest
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers import AutoModelForTokenClassification as Plain

import gptasks as api
from gptasks.data.batching import collate
from gptasks.runtime import runtime
from gptasks.saved_model import load_model
from gptasks.training.session import train
from gptasks.verification import Verifier

ATTENTION = ("two-way", "causal")
TEXTS = [
    "Li Na saw 北京 on day 7",
    "saw",
    "Bob 😀 saw São Paulo, and Köln, and 東京都 on a long day",
]

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT


def run(data: Path, *more: str) -> Path:
    return train(configured(data, "task=token_classification", "bootstrap=0", *more))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_names(tmp_path_factory.mktemp("data") / "names.conll")


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each shape, as `save_pretrained` writes it."""
    place = tmp_path_factory.mktemp("backbones")
    for shape in SHAPES:
        whole = backbone(shape)
        whole.model.save_pretrained(place / shape)
        whole.tokenizer.save(place / shape)
    return {shape: place / shape for shape in SHAPES}


@pytest.fixture(scope="module")
def trained(
    data: Path, backbones: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """The folder of a run of that shape, attention and strategy; each is carried out once."""
    place = tmp_path_factory.mktemp("runs")

    def made(shape: str = "llama", attention: str = "two-way", strategy: str = "lora") -> Path:
        folder = place / f"{shape}-{attention}-{strategy}"
        more = ["trainer.learning_rate=0.02", "strategy.rank=4"] if strategy == "lora" else []
        return run(
            data,
            f"strategy={strategy}",
            f"backbone={backbones[shape]}",
            f"task.attention={attention}",
            f"run={folder}",
            *more,
        )

    return made


def test_a_flag_for_a_column_that_this_kind_has_not_is_told(trained: Callable[..., Path]):
    done = gptasks("predict", str(trained(strategy="head")), "a", "--column", "text_pair=x")
    assert (done.code, done.out) == (2, "")
    fault = (
        "--column text_pair=x: a task of kind 'token_classification' has no column "
        "'text_pair'; did you mean 'text'? It has tokens, tags, text, spans."
    )
    assert done.err == f"gptasks: {fault}\n"


def test_a_run_is_what_it_says(trained: Callable[..., Path]):
    checks = {check.name: (check.state, check.text) for check in Verifier().checks(trained())}
    assert {state for state, _ in checks.values()} == {"ok"}
    assert checks["labels"][1] == ("O, B-LOC, I-LOC, B-PER, I-PER: those of the data and model/")
    assert checks["tally"][1].startswith("validation repaired_tags ")


def batch(folder: Path, texts: list[str]) -> dict[str, Any]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return dict(tokenizer(texts, padding=True, return_tensors="pt"))


def words_at(offsets: Any, words: list[dict[str, Any]]) -> list[int]:
    """The last token of each word, by its place in the text."""
    ends = [int(end) for _, end in offsets]
    return [len(ends) - 1 - ends[::-1].index(word["end"]) for word in words]


# -- plain transformers, PEFT -------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("strategy", ["head", "lora"])
@torch.no_grad()
def test_a_run_leaves_a_model_that_plain_transformers_opens(
    shape: str, attention: str, strategy: str, trained: Callable[..., Path]
):
    """Equal logits, in a padded batch and alone; its tags and probabilities are those stored."""
    folder = trained(shape, attention, strategy)
    names = results_of(folder)["labels"]
    assert names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    ours = load_model(folder / "model", api.load(folder).task, runtime("cpu", "fp32"))
    plain = Plain.from_pretrained(folder / "model").eval()
    assert plain.config.id2label == dict(enumerate(names))
    assert plain.config.is_causal is (attention == "causal")
    for texts in (TEXTS, *([text] for text in TEXTS)):
        given = batch(folder / "model", texts)
        found = plain(**given).logits
        assert furthest(found, ours(given), given["attention_mask"]) < 1e-5
    rows = predictions_of(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    for row in rows[:5]:
        read = tokenizer(row["input"], return_offsets_mapping=True, return_tensors="pt")
        offsets = read.pop("offset_mapping")[0].tolist()
        probabilities = plain(**read).logits[0].softmax(-1)
        places = words_at(offsets, row["details"]["words"])
        best, which = probabilities[places].max(-1)
        assert [names[i] for i in which] == row["prediction"]
        stored = [word["score"] for word in row["details"]["words"]]
        assert best.tolist() == pytest.approx(stored, abs=1e-5)


@pytest.mark.parametrize("attention", ATTENTION)
@torch.no_grad()
def test_two_way_reads_what_comes_and_causal_does_not(attention: str, trained: Callable[..., Path]):
    plain = Plain.from_pretrained(trained("llama", attention) / "model").eval()
    one, other = (batch(trained("llama", attention) / "model", [f"to {x}"]) for x in "ab")
    before = [plain(**given).logits[0, 0] for given in (one, other)]
    assert torch.equal(*before) is (attention == "causal")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attention", ATTENTION)
def test_the_pipeline_of_transformers_gives_the_same_tags(
    shape: str, attention: str, trained: Callable[..., Path]
):
    from transformers import pipeline

    folder = trained(shape, attention)
    answer = pipeline("token-classification", model=str(folder / "model"), ignore_labels=[])
    for row in predictions_of(folder)[:3]:
        tokens = answer(row["input"])
        words = row["details"]["words"]
        places = words_at([(token["start"], token["end"]) for token in tokens], words)
        assert [tokens[place]["entity"] for place in places] == row["prediction"]
        found = [float(tokens[place]["score"]) for place in places]
        assert found == pytest.approx([word["score"] for word in words], abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attention", ATTENTION)
@torch.no_grad()
def test_the_adapter_opens_by_peft_and_is_the_model(
    shape: str, attention: str, trained: Callable[..., Path], backbones: dict[str, Path]
):
    from peft import PeftModel

    folder = trained(shape, attention)
    config = AutoConfig.from_pretrained(folder / "adapter")
    base = Plain.from_pretrained(backbones[shape], config=config)
    given = batch(folder / "adapter", TEXTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # PEFT warns of keys it misses
        opened = PeftModel.from_pretrained(base, folder / "adapter").eval()
    expected = Plain.from_pretrained(folder / "model").eval()(**given).logits
    assert furthest(opened(**given).logits, expected, given["attention_mask"]) < 1e-5
    with opened.disable_adapter():
        assert furthest(opened(**given).logits, expected, given["attention_mask"]) > 0.01


def test_the_card_names_the_pipeline_and_how_long_texts_are_read(trained: Callable[..., Path]):
    from huggingface_hub import ModelCard

    card = ModelCard.load(trained() / "model" / "README.md")
    assert card.data.pipeline_tag == "token-classification"
    assert 'pipeline("token-classification", model=' in card.text
    assert "`B-LOC`" in card.text
    assert "reads 256 tokens at once" in card.text


def test_a_decoder_that_can_not_read_two_ways_is_refused_in_one_line(data: Path, tmp_path: Path):
    """Qwen3-Next passes its states on from word to word in most layers."""
    attention = {"num_key_value_heads": 2, "head_dim": 8}
    linear = {
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
    }
    experts = {
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    }
    config = AutoConfig.for_model(
        "qwen3_next", **SIZES, **attention, **linear, **experts, eos_token_id=0
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path / "next")
    backbone().tokenizer.save(tmp_path / "next")
    line = small(data, "task=token_classification", f"backbone={tmp_path / 'next'}")
    done = gptasks(*line, "task.attention=two-way", "run=r")
    assert done.code == 2, done.err
    (fault,) = done.faults
    assert (
        "is a Qwen3NextModel, which can't read in both directions; set task.attention=causal, "
        in (fault)
    )
    causal = gptasks(*line, "run=r", "task.attention=causal", "strategy=head", "limit=20")
    assert causal.code == 0, causal.err


# -- learning -----------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ATTENTION)
def test_sixteen_rows_are_learnt_by_heart(attention: str, data: Path, tmp_path: Path):
    few = tmp_path / "few.conll"
    few.write_text("\n\n".join(data.read_text("utf-8").split("\n\n")[:16]) + "\n\n", "utf-8")
    folder = run(
        few,
        "strategy=full",
        f"task.attention={attention}",
        f"task.data.validation={few}",
        f"task.data.test={few}",
        "trainer.epochs=40",
        "trainer.learning_rate=0.01",
        "trainer.validate_every=0",
    )
    scores = results_of(folder)["metrics"]["test"]
    assert {name: score["value"] for name, score in scores.items()} == dict.fromkeys(scores, 1.0)
    assert results_of(folder)["tally"]["test"] == {"repaired_tags": 0}


KILLED = """
import sys
from pathlib import Path
from killed_runs import MOMENTS, child

place, *overrides = sys.argv[1:]
for name in ("whole", "step"):
    folder = Path(place) / name
    folder.mkdir()
    first = child(folder, overrides, MOMENTS[name])
    second = "0" if first == "0" else child(folder, overrides, lambda: None)
    print("ended", name, first, second, flush=True)
"""
"""Trains in children: one that is left alone, one killed at a step and then called again."""


def test_a_killed_run_goes_on_bit_for_bit(data: Path, tmp_path: Path):
    line = small(
        data, "task=token_classification", "task.max_length=24", "task.overlap=8",
        "strategy.dropout=0.2", "strategy.depth=0.5", "trainer.accumulate=2",
        "trainer.batch_tokens=128", "trainer.epochs=1", "trainer.checkpoint_every=1e-6",
    )  # fmt: skip
    places = [*sys.path, str(Path(__file__).parents[1] / "training")]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), *line],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        check=False,
    )
    ended = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ended")]
    assert ended == [["whole", "0", "0"], ["step", "-9", "0"]], done.stderr
    assert "going on from step 5" in done.stderr
    whole, killed = (remains(next((tmp_path / name / "runs").iterdir())) for name, *_ in ended)
    assert killed["history"] == whole["history"]
    assert killed == whole


# -- predictions --------------------------------------------------------------------------


def test_a_prediction_shows_words_and_spans_by_characters(trained: Callable[..., Path]):
    text = "\u202fBob 😀 saw 北京，São Paulo e\u0301t Ada."
    folder = str(trained())
    done = gptasks("predict", folder, text)
    assert done.code == 0, done.err
    (record,) = map(json.loads, done.out.splitlines())
    words = record["details"]["words"]
    assert [word["text"] for word in words] == [
        "Bob", "😀", "saw", "北", "京", "，", "São", "Paulo", "e\u0301t", "Ada", "."
    ]  # fmt: skip
    assert [word["tag"] for word in words] == record["prediction"]
    assert record["details"]["entities"]
    for part in (*words, *record["details"]["entities"]):
        assert text[part["start"] : part["end"]] == part["text"]
        assert 0.0 < part["score"] <= 1.0
    mean = sum(word["score"] for word in words) / len(words)
    assert record["scores"] == {"probability": pytest.approx(mean)}


def test_files_of_every_form_are_predicted(trained: Callable[..., Path], tmp_path: Path):
    """Words without tags, texts a line, texts of jsonl: the same words have the same tags."""
    (tmp_path / "a.conll").write_text("Ada\nsaw\nKöln\n\nsaw\nLi\n\n", "utf-8")
    (tmp_path / "a.txt").write_text("Ada saw Köln\nsaw Li\n", "utf-8")
    (tmp_path / "a.jsonl").write_text(
        '{"tokens": ["Ada", "saw", "Köln"]}\n{"text": "saw Li"}\n', "utf-8"
    )
    said = {}
    for name in ("a.conll", "a.txt", "a.jsonl"):
        done = gptasks("predict", str(trained()), "--input", str(tmp_path / name))
        assert done.code == 0, done.err
        records = [json.loads(line) for line in done.out.splitlines()]
        assert [record["input"] for record in records] == ["Ada saw Köln", "saw Li"]
        said[name] = [record["prediction"] for record in records]
        assert [len(tags) for tags in said[name]] == [3, 2]
    assert said["a.conll"] == said["a.txt"] == said["a.jsonl"]


def test_evaluate_gives_what_was_stored(trained: Callable[..., Path], data: Path, tmp_path: Path):
    folder = trained()
    done = gptasks("evaluate", str(folder), "--json", "--output", str(tmp_path / "said.jsonl"))
    assert done.code == 0, done.err
    stored = results_of(folder)["metrics"]["test"]
    for name, score in json.loads(done.out).items():
        assert score["value"] == pytest.approx(stored[name]["value"], abs=1e-12), name
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text("utf-8").splitlines()]
    kept = predictions_of(folder)
    assert [row["prediction"] for row in said] == [row["prediction"] for row in kept]
    other = gptasks("evaluate", str(folder), "--data", str(data), "--json")
    assert other.code == 0, other.err


def test_a_batch_says_what_each_row_says_alone(trained: Callable[..., Path]):
    """In fp32 and two-way, where padding would tell at once."""
    loaded = api.load(trained())
    together = loaded.predict(TEXTS)
    for text, prediction in zip(TEXTS, together, strict=True):
        (alone,) = loaded.predict([text])
        assert alone.value == prediction.value
        for one, other in zip(alone.details["words"], prediction.details["words"], strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("kind", ["eager", "sdpa"])
@torch.no_grad()
def test_padding_changes_nothing(shape: str, attention: str, kind: str):
    """Alone there is no mask at all, and what attends must know by itself which way."""
    two_way = attention == "two-way"
    whole = backbone(shape)
    whole.model.set_attn_implementation(kind)
    model = whole.attending(two_way=two_way).model
    windows = [{"input_ids": whole.tokenizer.encode(text).ids} for text in TEXTS]
    padded = collate(windows, whole.tokenizer.pad_id, tiny_models.CPU)
    states = model(**padded, use_cache=False).last_hidden_state
    for window, row in zip(windows, states, strict=True):
        alone = collate([window], whole.tokenizer.pad_id, tiny_models.CPU)
        found = model(**alone, use_cache=False).last_hidden_state[0]
        assert furthest(found, row[: len(found)]) < 1e-5


# -- long texts, and what else is often wrong ---------------------------------------------


@pytest.fixture(scope="module")
def windowed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose windows hold less than most of its rows."""
    folder = tmp_path_factory.mktemp("windowed") / "run"
    return run(data, "strategy=head", "task.max_length=16", "task.overlap=6", f"run={folder}")


def test_no_word_of_a_long_text_is_lost(windowed: Path):
    """Every word has its tag and is scored, however long its row."""
    results = results_of(windowed)
    assert results["truncation"]["test"]["rows_cut"] == 0
    for row in predictions_of(windowed):
        assert len(row["prediction"]) == len(row["reference"]) == len(row["details"]["words"])
    counted = {
        name: sum(len(row["reference"]) for row in predictions_of(windowed, name))
        for name in ("validation", "test")
    }
    for name, words in counted.items():
        assert results["truncation"][name]["targets"] == words
        assert results["truncation"][name]["targets_lost"] == 0
    text = " ".join(f"Ada saw Köln {n} times." for n in range(200))
    (prediction,) = api.load(windowed).predict([text])
    assert len(prediction.value) == 200 * 6
    last = prediction.details["words"][-1]
    assert (last["text"], last["end"]) == (".", len(text))


def test_a_word_longer_than_a_window_has_its_tag_all_the_same(windowed: Path):
    (prediction,) = api.load(windowed).predict(["see " + "http" * 30 + " now"])
    assert [word["text"] for word in prediction.details["words"]] == ["see", "http" * 30, "now"]
    assert len(prediction.value) == 3


def test_strict_and_conlleval_part_where_tags_are_no_valid_bio(trained: Callable[..., Path]):
    """The predictions are scored as the model gave them: what was repaired for showing is not."""
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    folder = trained("llama", "causal", "head")
    rows = predictions_of(folder)
    said = [row["prediction"] for row in rows]
    meant = [row["reference"] for row in rows]
    scores = results_of(folder)["metrics"]["test"]
    strict = f1_score(meant, said, mode="strict", scheme=IOB2, zero_division=0)
    assert scores["entity_f1"]["value"] == strict
    assert scores["entity_f1_conll"]["value"] == f1_score(meant, said, zero_division=0)
    repaired = sum(row["details"]["repaired"] for row in rows)
    assert results_of(folder)["tally"]["test"] == {"repaired_tags": repaired}


def test_trackers_have_a_tag_a_word(data: Path):
    folder = run(data, "strategy=head", "tracking=jsonl", "tracking.log_texts=true")
    told = [
        json.loads(line) for line in (folder / "tracking.jsonl").read_text("utf-8").splitlines()
    ]
    (confusion,) = (line for line in told if line["event"] == "confusion")
    rows = predictions_of(folder)
    assert confusion["labels"] == results_of(folder)["labels"]
    assert sum(map(sum, confusion["matrix"])) == sum(len(row["reference"]) for row in rows)
    (table,) = (line for line in told if line["event"] == "table")
    assert table["columns"] == ["id", "input", "prediction", "reference", "probability"]
    first = dict(zip(table["columns"], table["rows"][0], strict=True))
    assert first["prediction"].split() == rows[0]["prediction"]
    assert first["reference"].split() == rows[0]["reference"]


def test_wandb_takes_lists_of_tags(data: Path):
    folder = run(data, "strategy=head", "tracking=wandb")
    tables = [json.loads(path.read_text()) for path in folder.glob("wandb/**/*.table.json")]
    shown = {tuple(table["columns"]): table["data"] for table in tables}
    predictions = shown["id", "prediction", "reference", "probability"]
    assert [line[0] for line in predictions] == [row["id"] for row in predictions_of(folder)]
    counts = shown["Actual", "Predicted", "nPredictions"]
    words = sum(len(row["reference"]) for row in predictions_of(folder))
    assert sum(count for *_, count in counts) == words
