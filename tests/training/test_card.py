import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from small_runs import adapter, configured, write_reviews

from gptasks.runs import read_results
from gptasks.training.card import model_card
from gptasks.training.session import train


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("private") / "reviews.csv", rows=90)


def made(data: Path, *overrides: str) -> tuple[ModelCard, dict, str]:
    folder = train(configured(data, "strategy=head", "run=r", *overrides))
    text = (folder / "model" / "README.md").read_text("utf-8")
    return ModelCard.load(folder / "model" / "README.md"), read_results(folder), text


def test_the_card_says_what_the_results_say(data):
    card, results, text = made(data)
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-classification"
    assert card.data.base_model is None
    metrics = results["metrics"]["test"]
    said = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert said == {name: score["value"] for name, score in metrics.items()}
    assert {result.dataset_split for result in card.data.eval_results} == {"test"}
    rows = dict(re.findall(r"^\| ([a-z_0-9]+)[^|]*\| ([^|]+) \|", text, re.MULTILINE))
    for name, score in metrics.items():
        interval = f"[{score['low']:.3f}, {score['high']:.3f}]"
        assert rows[name] == f"{score['value']:.4f} {interval}"
    assert "| test | this model | majority | tfidf |" in text
    assert "| log_loss (lower is better) |" in text
    for split in results["data"].values():
        assert f"| {split['n']} | `{split['sha256'][:16]}…` |" in text
    assert "one of `bad`, `good`" in text
    assert "`strategy=head`, seed 0" in text
    assert "with a head fitted for the task" in text
    assert 'print(answer("a text", truncation=True))' in text
    assert "Source: file `reviews.csv`. Rows of this run:" in text


def test_the_card_says_which_adapter_it_was(data):
    _, results, _ = made(data)
    for name, said in (
        ("lora", "The GPT `tiny`, cut at layer"),
        ("ia3", "`strategy=lora` with `strategy.adapter=ia3`, seed 0."),
    ):
        text = model_card(configured(data, *adapter(name)), results, is_plain=True)
        assert said in text
        assert ("strategy.adapter" in text) is (name == "ia3")


def test_the_card_tells_nothing_private(data):
    _, _, text = made(data)
    assert str(data.parent) not in text
    assert "private" not in text
    for row in data.read_text("utf-8").splitlines()[1:]:
        assert row.partition(",")[0] not in text


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["dataset=nyu-mll/glue", "config=sst2"], "`nyu-mll/glue`, sst2, of the Hugging Face hub."),
        (["dataset=a/b", "licence=CC-BY-4.0"], "of the Hugging Face hub. Licence: CC-BY-4.0. Rows"),
        (["dataset=/home/me/private/toy"], "Source: data set `toy`. Rows"),
    ],
)
def test_data_of_the_hub_is_named(data, keys, said):
    _, results, _ = made(data)
    more = [f"task.data.{key}" for key in ("source=hub", *keys)]
    text = model_card(configured(data, "strategy=head", *more), results, is_plain=True)
    assert said in text
    assert "private" not in text


def test_a_head_that_plain_transformers_has_not_says_how_to_open_it(data):
    card, _, text = made(data, "task.pooling=mean")
    assert card.data.library_name == "gptasks"
    assert card.data.pipeline_tag is None
    assert "gptasks.load(RUN)" in text
    assert "from transformers import pipeline" not in text


def test_an_architecture_without_a_plain_class_is_opened_by_gptasks(data, monkeypatch):
    monkeypatch.setattr("gptasks.saved_model.assembled", lambda *_: None)
    card, _, text = made(data)
    assert card.data.library_name == "gptasks"
    assert "from transformers import pipeline" not in text


def test_a_backbone_of_the_hub_is_named_as_the_base(data):
    _, results, _ = made(data)
    config = configured(data, "strategy=head", "backbone=gpt2")
    text = model_card(config, results, is_plain=True)
    assert ModelCard(text).data.base_model == "openai-community/gpt2"
    assert "The GPT `gpt2` (openai-community/gpt2)" in text


def test_scores_that_are_undefined_and_intervals_that_are_off_are_no_numbers(data):
    _, results, _ = made(data, "bootstrap=0")
    results["metrics"]["test"]["auroc"]["value"] = None
    text = model_card(configured(data, "strategy=head"), results, is_plain=True)
    assert "intervals" not in text
    assert "auroc" not in {result.metric_type for result in ModelCard(text).data.eval_results}
    assert "| auroc | undefined |" in text
    accuracy = results["metrics"]["test"]["accuracy"]["value"]
    assert f"| accuracy | {accuracy:.4f} |" in text


def test_the_example_is_of_a_pair_where_the_task_reads_one(data):
    _, results, _ = made(data)
    text = model_card(configured(data, "task.text_pair=label"), results, is_plain=True)
    assert 'print(answer({"text": "a text", "text_pair": "another"}, truncation=True))' in text
