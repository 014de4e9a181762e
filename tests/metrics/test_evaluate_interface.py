"""The metrics as metrics of evaluate: compute, add, combine, info, signature; no net, no files."""

import re
import socket

import evaluate
import numpy as np
import pytest
from metric_families import OF_CLASSES, OF_TAGS

from gptasks.errors import DataError
from gptasks.metrics import NAMES, metric_class, score_all
from gptasks.task import Prediction

LABELS = ["a", "b", "c"]
TRUTH = ["a", "b", "c", "a", "b"]
MATRIX = [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]
SAID = ["a", "c", "c", "a", "b"]
SCORES = [dict(zip(LABELS, row, strict=True)) for row in MATRIX]


def columns(name, scores=SCORES):
    given = {"predictions": SAID, "references": TRUTH}
    if name in OF_TAGS:
        return {side: [["O", f"B-{word}"] for word in column] for side, column in given.items()}
    return given | ({"scores": scores} if name in ("auroc", "log_loss", "ece") else {})


def classes(name):
    return {"labels": LABELS} if name in OF_CLASSES else {}


@pytest.mark.parametrize("name", NAMES)
def test_compute_gives_what_score_all_gives(name):
    given = columns(name)
    predictions = [Prediction(*pair) for pair in zip(given["predictions"], SCORES, strict=True)]
    score = score_all([name], predictions, given["references"], LABELS, seed=5, resamples=30)[name]
    metric = metric_class(name)()
    assert isinstance(metric, evaluate.Metric)
    found = metric.compute(**given, **classes(name), seed=5, resamples=30)
    assert found == {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
    assert metric.compute(**given, **classes(name), resamples=0) == {name: score.value}


@pytest.mark.parametrize("name", NAMES)
def test_batches_are_gathered_and_never_averaged(name):
    metric = metric_class(name)()
    whole = metric.compute(**columns(name), **classes(name))
    metric.add_batch(**{key: column[:3] for key, column in columns(name).items()})
    metric.add_batch(**{key: column[3:4] for key, column in columns(name).items()})
    last = {key.removesuffix("s"): column[4] for key, column in columns(name).items()}
    if "score" in last:
        last["scores"] = last.pop("score")
    metric.add(**last)
    assert metric.compute(**classes(name)) == whole


@pytest.mark.parametrize("name", ["auroc", "log_loss", "ece"])
def test_scores_may_be_mappings_in_any_order_lists_or_an_array(name):
    metric = metric_class(name)()
    turned = [dict(reversed(row.items())) for row in SCORES]
    whole = metric.compute(**columns(name), labels=LABELS)
    assert metric.compute(**columns(name, turned), labels=LABELS) == whole
    assert metric.compute(**columns(name, MATRIX), labels=LABELS) == whole
    assert metric.compute(**columns(name, np.array(MATRIX)), labels=LABELS) == whole
    assert metric.compute(**columns(name, SCORES)) == whole  # The labels are those of the mappings.
    with pytest.raises(DataError, match=rf"metric '{name}' needs labels=\[...\], in the order of"):
        metric.compute(**columns(name, MATRIX))
    with pytest.raises(DataError, match=r"row 0 .*: 3 scores for 2 labels; give one per label"):
        metric.compute(**columns(name, MATRIX), labels=["a", "b"])


def test_metrics_of_labels_need_no_list_of_labels():
    found = metric_class("f1_macro")().compute(**columns("f1_macro"), resamples=0)
    # a: 2 of 2 and 2; b: 1 of 1 and 2; c: 1 of 2 and 1.
    assert found["f1_macro"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3, abs=1e-15)


def test_combine_serves_metrics_of_labels_and_of_probabilities_together():
    together = evaluate.combine([metric_class(name)() for name in OF_CLASSES])
    found = together.compute(**columns("ece"), labels=LABELS, resamples=0)
    assert list(found) == list(OF_CLASSES)
    for name in OF_CLASSES:
        alone = metric_class(name)().compute(**columns(name), labels=LABELS, resamples=0)
        assert found[name] == alone[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_info_is_complete(name):
    info = metric_class(name)().info
    assert metric_class(name)().name == name
    assert len(info.description) > 40
    assert re.search(r" (19|20)\d\d: ", info.citation)
    assert info.reference_urls
    assert {"predictions", "references"} <= set(info.features)
    assert info.inputs_description


def test_signatures_tell_what_the_number_depends_on():
    assert [metric_class(name)().signature(labels=LABELS) for name in OF_CLASSES] == [
        "accuracy|v:1",
        "f1_macro|average:macro|over:occurring|labels:3|v:1",
        "f1_weighted|average:weighted|labels:3|v:1",
        "matthews|labels:3|v:1",
        "auroc|one-vs-rest|average:macro|labels:3|v:1",
        "log_loss|nats|clip:2.2e-16|v:1",
        "ece|bins:15|equal-width|v:1",
    ]
    assert metric_class("ece")().signature() == "ece|bins:15|equal-width|v:1"
    assert metric_class("matthews")().signature() == "matthews|v:1"


def test_what_is_missing_is_named():
    accuracy, loss = metric_class("accuracy")(), metric_class("log_loss")()
    with pytest.raises(DataError, match="metric 'log_loss' needs scores as well"):
        loss.compute(predictions=["a"], references=["a"], labels=["a", "b"])
    with pytest.raises(DataError, match="metric 'log_loss' needs scores as well"):
        loss.add_batch(predictions=["a"], references=["a"])
    with pytest.raises(DataError, match="metric 'accuracy' needs references as well"):
        accuracy.compute(predictions=["a"])
    with pytest.raises(DataError, match="metric 'accuracy' got no examples"):
        accuracy.compute()
    with pytest.raises(DataError, match="metric 'accuracy' got no examples"):
        accuracy.compute(predictions=[], references=[])
    with pytest.raises(DataError, match="got 1 predictions, 2 references"):
        accuracy.compute(predictions=["a"], references=["a", "b"])
    with pytest.raises(
        DataError, match="'accuracy' has no argument 'label'; did you mean 'labels'"
    ):
        accuracy.compute(predictions=["a"], references=["a"], label=["a"])


def test_a_refused_call_leaves_nothing_behind():
    metric = metric_class("accuracy")()
    with pytest.raises(DataError, match="is none of the 2 labels"):
        metric.compute(predictions=["a"], references=["z"], labels=["a", "b"])
    with pytest.raises(DataError, match="got no examples"):
        metric.compute()
    assert metric.compute(predictions=["b"], references=["b"], resamples=0) == {"accuracy": 1.0}


def test_numpys_random_state_is_left_alone():
    np.random.seed(11)
    wanted = np.random.rand()
    np.random.seed(11)
    metric_class("accuracy")().compute(predictions=["a", "b"], references=["a", "a"])
    assert np.random.rand() == wanted


@pytest.mark.parametrize("name", NAMES)
def test_it_works_offline_and_leaves_no_files(name, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    cache, here = tmp_path / "cache", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", str(cache))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    metric = metric_class(name)()
    assert name in metric.compute(**columns(name), **classes(name))
    assert not cache.exists()
    assert list(here.iterdir()) == []


def test_examples_can_be_kept_in_a_folder_as_evaluate_does(tmp_path):
    metric = metric_class("log_loss")(keep_in_memory=False, cache_dir=str(tmp_path))
    found = metric.compute(**columns("log_loss"), resamples=0)
    assert found == metric_class("log_loss")().compute(**columns("log_loss"), resamples=0)
    assert (tmp_path / "log_loss").is_dir()
