"""Names, classes and scores of metrics: what the configuration and results.json rely on."""

import json
import math
import subprocess
import sys

import pytest
from metric_families import OF_CLASSES, OF_TAGS, OF_TEXTS

from gptasks.errors import ConfigError, DataError, PluginError
from gptasks.metrics import (
    NAMES,
    Score,
    check_names,
    is_better_higher,
    metric_class,
    point,
    score_all,
)
from gptasks.task import Prediction


@pytest.fixture(scope="module")
def share_empty():
    """A plugin's metric that knows no classes: the share of predictions that are empty texts."""
    import numpy as np

    from gptasks.metrics.base import Metric
    from gptasks.metrics.bootstrap import group_sums

    class ShareEmpty(Metric):
        """The share of empty predictions."""

        name = "share_empty"
        source = "this test"
        is_better_higher = False

        def prepare(self, predictions, references, **given):
            assert not given
            total = group_sums(np.array([0 if not text else -1 for text in predictions]), 1)
            return lambda weights: total(weights)[0] / weights.sum(axis=0)

    return ShareEmpty


def test_names_are_checked_without_loading_anything_heavy():
    script = (
        "import sys; from gptasks.metrics import check_names, is_better_higher;"
        "check_names(['ece'], 'task.metrics'); is_better_higher('ece');"
        "print([m for m in ('numpy', 'evaluate', 'torch', 'sklearn', 'datasets')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_known_names_pass():
    check_names(NAMES, "task.metrics")
    check_names([], "task.metrics")


def test_an_unknown_name_gets_the_nearest_and_the_list():
    with pytest.raises(ConfigError) as caught:
        check_names(["acuracy", "ece", "zzz"], "task.metrics")
    assert str(caught.value) == (
        "task.metrics: no metric 'acuracy'; did you mean 'accuracy'? no metric 'zzz'. "
        f"There are: {', '.join(NAMES)}"
    )


def test_a_bare_word_is_not_taken_for_a_list_of_letters():
    with pytest.raises(ConfigError, match=r"task.metrics must be a list .* 'ece', write \[ece\]"):
        check_names("ece", "task.metrics")


@pytest.mark.parametrize("name", NAMES)
def test_the_light_table_agrees_with_the_class(name):
    cls = metric_class(name)
    assert cls.name == name
    assert cls.is_better_higher is is_better_higher(name)


def test_lower_is_better_for_losses_and_errors_only():
    assert [name for name in NAMES if not is_better_higher(name)] == ["log_loss", "ece"]


def test_every_metric_has_a_family():
    assert {*OF_CLASSES, *OF_TAGS, *OF_TEXTS} == set(NAMES)


def test_an_unknown_class_is_refused():
    with pytest.raises(ConfigError, match=r"no metric 'f1_marco'; did you mean 'f1_macro'\?"):
        metric_class("f1_marco")
    with pytest.raises(ConfigError, match="no metric 'rouge'"):
        is_better_higher("rouge")


def test_a_metric_of_a_plugin_is_served_like_the_others(share_empty):
    extra = {"share_empty": share_empty}
    check_names(["share_empty", "accuracy"], "task.metrics", extra=extra)
    assert metric_class("share_empty", extra=extra) is share_empty
    assert not is_better_higher("share_empty", extra=extra)
    predictions = [Prediction("a"), Prediction(""), Prediction(""), Prediction("d")]
    scores = score_all(["share_empty"], predictions, ["a", "b", "c", "d"], [], extra=extra)
    assert scores["share_empty"].value == 0.5
    assert scores["share_empty"].signature == "share_empty|v:1"
    assert point("share_empty", predictions, ["a", "b", "c", "d"], [], extra=extra) == 0.5
    with pytest.raises(ConfigError, match="no metric 'share_empty'"):
        check_names(["share_empty"], "task.metrics")


def test_a_metric_that_asks_for_what_there_is_not_is_named(share_empty):
    class Greedy(share_empty):
        """Asks for sources."""

        name = "greedy"
        inputs = ("sources",)

    with pytest.raises(PluginError, match="metric 'greedy' asks for the input sources; there are"):
        point("greedy", [Prediction("a")], ["a"], [], extra={"greedy": Greedy})


def test_a_score_goes_to_json_and_back():
    score = Score(0.5, 0.25, 0.75, 8, "accuracy|v:1")
    assert score.as_json() == {
        "value": 0.5,
        "low": 0.25,
        "high": 0.75,
        "n": 8,
        "signature": "accuracy|v:1",
        "is_better_higher": True,
    }
    assert Score.from_json(json.loads(json.dumps(score.as_json()))) == score


def test_what_is_no_number_is_null_in_json():
    score = Score(math.nan, math.nan, math.nan, 8, "auroc|v:1")
    assert '"value": null, "low": null, "high": null' in json.dumps(score.as_json())
    back = Score.from_json(score.as_json())
    assert math.isnan(back.value)
    assert math.isnan(back.low)
    assert math.isnan(back.high)


def test_half_a_score_is_refused():
    with pytest.raises(DataError, match=r"a score lacks low, signature \(it has: value, high, n\)"):
        Score.from_json({"value": 1, "high": 1, "n": 1})
