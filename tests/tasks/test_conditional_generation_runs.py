"""Writing from end to end: what a run leaves, who opens it, what it writes."""

from __future__ import annotations

import ast
import csv
import json
import random
import re
from pathlib import Path

import pytest
import torch
from small_runs import configured, points, predictions_of, remains, results_of
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import gptasks as api
from gptasks.errors import ConfigError
from gptasks.training.session import train
from gptasks.verification import Verifier

NAMES, PLACES = ("Ada", "Ben", "Cleo", "Dan"), ("Rome", "Oslo", "Lima", "Kyiv")
USUAL = (
    "task=conditional_generation",
    "task.template='{source} >'",
    "task.max_length=64",
    "task.generation.max_new_tokens=8",
    "bootstrap=0",
    "limit=40",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows whose target is the first word of the source."""
    path, draw = tmp_path_factory.mktemp("data") / "trips.csv", random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["source", "target"])
        for day in range(120):
            name = draw.choice(NAMES)
            writer.writerow([f"{name} goes to {draw.choice(PLACES)}, day {day}", name])
    return path


def run(data: Path, *more: str) -> Path:
    return train(configured(data, *USUAL, *more))


@pytest.fixture(scope="module", params=["tiny", "tiny_gpt2"])
def folder(data: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A finished run of each shape of backbone."""
    place = tmp_path_factory.mktemp("run") / "run"
    return run(data, f"backbone={request.param}", f"run={place}", "trainer.epochs=1")


def test_results_hold_scores_baselines_counts_and_no_labels(folder: Path):
    results = results_of(folder)
    assert list(results["metrics"]["test"]) == ["rougeL", "rouge1", "rouge2", "rougeLsum"]
    assert set(results["baselines"]) == {"lead_sentence", "lead_words"}
    assert results["baselines"]["lead_words"]["rouge1"]["value"] == 1.0  # the source's first word
    assert set(results["tally"]["test"]) == {"empty", "not_ended"}
    assert results["labels"] == []
    assert results["select"] == "loss"
    assert results["truncation"]["train"]["targets"] > 40 * 3


def test_the_run_is_what_it_says(folder: Path):
    checks = {check.name: (check.state, check.text) for check in Verifier().checks(folder)}
    assert {state for state, _ in checks.values()} == {"ok"}
    assert checks["labels"][1] == "this task has none"
    assert checks["tally"][1].startswith("validation empty ")


def test_validation_is_by_loss_and_by_writing_for_a_few(folder: Path, data: Path):
    first = points(folder)[0]
    assert {"validation/loss", "validation/rougeL"} <= set(first)
    assert list(results_of(folder)["fit"]["best"]) == ["loss"]


def test_plain_transformers_writes_the_same(folder: Path):
    """With the settings that are saved with the model, from prompts as documented."""
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert model.generation_config.max_new_tokens == 8
    for record in predictions_of(folder)[:4]:
        prompt = tokenizer(f"{record['input']} >", return_tensors="pt")
        written = model.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(written, skip_special_tokens=True).strip() == record["prediction"]


def test_the_head_is_the_embeddings_and_is_saved_once(folder: Path):
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    assert model.lm_head.weight is model.get_input_embeddings().weight
    index = json.loads((folder / "model" / "config.json").read_text("utf-8"))
    assert index["architectures"][0].endswith(("ForCausalLM", "LMHeadModel"))


def test_an_opened_run_writes_what_was_scored(folder: Path):
    records = predictions_of(folder)[:5]
    found = api.load(folder).predict([record["input"] for record in records])
    assert [p.value for p in found] == [record["prediction"] for record in records]
    scores, _, _ = api.load(folder).evaluate()
    stored = results_of(folder)["metrics"]["test"]
    assert {name: s.value for name, s in scores.items()} == {
        name: pytest.approx(s["value"]) for name, s in stored.items()
    }


def test_the_card_shows_the_prompt(folder: Path):
    card = (folder / "model" / "README.md").read_text("utf-8")
    assert 'pipeline("text-generation"' in card
    assert 'print(answer("a text >"))' in card


def test_a_run_that_was_stopped_ends_as_one_that_was_not(data: Path, tmp_path: Path, monkeypatch):
    usual = ("strategy.dropout=0.1", "trainer.batch_tokens=256", "trainer.checkpoint_every=1e-9")
    whole = run(data, f"run={tmp_path / 'whole'}", *usual)
    from gptasks.training import trainer

    steps = iter(range(100))
    inner = trainer._Loop._step

    def breaks(loop, batches):
        if next(steps) == 3:
            raise KeyboardInterrupt
        return inner(loop, batches)

    again = (f"run={tmp_path / 'cut'}", *usual)
    with monkeypatch.context() as patch:
        patch.setattr(trainer._Loop, "_step", breaks)
        with pytest.raises(KeyboardInterrupt):
            run(data, *again)
    left, expected = remains(run(data, *again)), remains(whole)
    assert left["history"] == expected["history"]
    assert left["model/model.safetensors"] == expected["model/model.safetensors"]
    assert left["predictions/test.jsonl"] == expected["predictions/test.jsonl"]


def test_a_few_rows_are_learnt_by_heart(tmp_path: Path):
    """Every weight of the tiny backbone, on rows whose answer is one of two words."""
    path = tmp_path / "pairs.csv"
    lines = [f"case {n % 2} number {n},{('no', 'yes')[n % 2]}" for n in range(16)]
    path.write_text("source,target\n" + "\n".join(lines) + "\n", encoding="utf-8")
    same = (f"task.data.validation={path}", f"task.data.test={path}")
    more = ("strategy=full", "trainer.epochs=60", "trainer.learning_rate=1e-2")
    folder = run(path, *same, *more, f"run={tmp_path / 'run'}")
    results = results_of(folder)
    assert results["metrics"]["test"]["rouge1"]["value"] == 1.0
    assert results["tally"]["test"] == {"empty": 0, "not_ended": 0}  # the end of text is learnt too


def test_options_of_writing_are_saved_with_the_model(data: Path, tmp_path: Path):
    beams = ("task.generation.num_beams=2", "task.generation.stop_strings=['day']")
    folder = run(data, *beams, "trainer.epochs=0", f"run={tmp_path / 'run'}")
    saved = GenerationConfig.from_pretrained(folder / "model")
    assert (saved.num_beams, saved.stop_strings, saved.do_sample) == (2, ["day"], False)


def test_the_code_of_the_card_writes_where_strings_stop_it(data: Path, tmp_path: Path, capsys):
    folder = run(data, "task.generation.stop_strings=['e','a']", f"run={tmp_path / 'run'}")
    card = (folder / "model" / "README.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)
    capsys.readouterr()
    exec(code.replace("THIS FOLDER OR REPOSITORY", str(folder / "model")), {})
    (answer,) = ast.literal_eval(capsys.readouterr().out)
    (expected,) = api.load(folder).predict(["a text"])
    assert answer["generated_text"].startswith(f"a text >{expected.value}".rstrip())


def test_texts_have_no_labels(data: Path):
    with pytest.raises(ConfigError, match=r"task\.labels: this kind of task writes texts, which h"):
        run(data, "task.labels=[a]")


def test_the_head_alone_can_not_learn_to_write(data: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"strategy=head fits a head on frozen features"):
        run(data, "strategy=head", f"run={tmp_path / 'run'}")
