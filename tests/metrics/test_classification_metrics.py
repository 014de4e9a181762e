"""The seven classification metrics: against scikit-learn, worked by hand, and at the edges."""

import math

import numpy as np
import pytest
import sklearn.metrics as reference
from metric_families import OF_CLASSES

from gptasks.errors import DataError
from gptasks.metrics import is_better_higher, point, score_all
from gptasks.task import Prediction

CHANCE = {"accuracy": 1 / 3, "f1_macro": 1 / 3, "f1_weighted": 1 / 3, "matthews": 0.0, "auroc": 0.5}


def labels_of(count):
    return [f"c{number}" for number in range(count)]


def example(n, count, seed):
    """References, predictions a little better than chance, and their scores (n, count)."""
    generator = np.random.default_rng(seed)
    labels = labels_of(count)
    expected = generator.integers(0, count, n)
    logits = generator.normal(size=(n, count)) + 1.2 * np.eye(count)[expected]
    matrix = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predictions = [
        Prediction(labels[row.argmax()], dict(zip(labels, row.tolist(), strict=True)))
        for row in matrix
    ]
    return [labels[k] for k in expected], predictions, matrix


def plain(values):
    return [Prediction(value) for value in values]


@pytest.mark.parametrize(("n", "count"), [(50, 2), (400, 2), (60, 3), (700, 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_values_are_those_of_scikit_learn(n, count, seed):
    truth, predictions, matrix = example(n, count, seed)
    labels = labels_of(count)
    said = [prediction.value for prediction in predictions]
    area = (
        reference.roc_auc_score(truth, matrix[:, 1])
        if count == 2
        else reference.roc_auc_score(truth, matrix, multi_class="ovr", average="macro")
    )
    wanted = {
        "accuracy": reference.accuracy_score(truth, said),
        "f1_macro": reference.f1_score(truth, said, average="macro"),
        "f1_weighted": reference.f1_score(truth, said, average="weighted"),
        "matthews": reference.matthews_corrcoef(truth, said),
        "auroc": area,
        "log_loss": reference.log_loss(truth, matrix, labels=labels),
    }
    for name, value in wanted.items():
        assert point(name, predictions, truth, labels) == pytest.approx(value, abs=1e-12), name


def test_auroc_counts_ties_as_scikit_learn_does():
    generator = np.random.default_rng(3)
    scores = generator.integers(0, 5, 200) / 4
    truth = generator.integers(0, 2, 200)
    predictions = [Prediction("b", {"a": 1 - score, "b": score}) for score in scores.tolist()]
    value = point("auroc", predictions, ["ab"[k] for k in truth], ["a", "b"])
    assert value == pytest.approx(reference.roc_auc_score(truth, scores), abs=1e-12)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_gold_against_gold_is_the_best_there_is(name):
    labels = labels_of(3)
    truth = labels * 20
    gold = [
        Prediction(value, {label: float(label == value) for label in labels}) for value in truth
    ]
    score = score_all([name], gold, truth, labels, resamples=50)[name]
    best = 1.0 if is_better_higher(name) else 0.0
    assert (score.value, score.low, score.high) == (best, best, best)


@pytest.mark.parametrize("name", CHANCE)
def test_shuffled_gold_is_about_chance(name):
    labels = labels_of(3)
    truth = labels * 500
    shuffled = np.random.default_rng(0).permutation(truth).tolist()
    guesses = [
        Prediction(value, {label: float(label == value) for label in labels}) for value in shuffled
    ]
    score = score_all([name], guesses, truth, labels, resamples=200)[name]
    assert score.value == pytest.approx(CHANCE[name], abs=0.05)
    assert score.low < CHANCE[name] < score.high


def test_shuffled_gold_is_as_badly_calibrated_as_it_is_sure_and_wrong():
    labels = labels_of(3)
    truth = labels * 500
    shuffled = np.random.default_rng(0).permutation(truth).tolist()
    guesses = [
        Prediction(value, {label: float(label == value) for label in labels}) for value in shuffled
    ]
    wrong = np.mean([said != right for said, right in zip(shuffled, truth, strict=True)])
    assert point("ece", guesses, truth, labels) == pytest.approx(wrong, abs=1e-12)
    # Each wrong one costs -ln(2 ** -52).
    assert point("log_loss", guesses, truth, labels) == pytest.approx(wrong * 52 * math.log(2))


def test_the_order_of_the_labels_changes_nothing():
    truth, predictions, _ = example(150, 4, seed=5)
    labels = labels_of(4)
    one = score_all(OF_CLASSES, predictions, truth, labels, resamples=40)
    other = score_all(OF_CLASSES, predictions, truth, labels[::-1], resamples=40)
    for name in OF_CLASSES:
        assert one[name].signature == other[name].signature
        assert one[name].as_json() == pytest.approx(other[name].as_json(), abs=1e-12), name


def test_two_classes_have_one_auroc_whichever_stands_second():
    truth, predictions, _ = example(100, 2, seed=6)
    one = point("auroc", predictions, truth, ["c0", "c1"])
    assert point("auroc", predictions, truth, ["c1", "c0"]) == pytest.approx(one, abs=1e-12)


# -- worked by hand -----------------------------------------------------------------------------


def test_macro_f1_by_hand_leaves_out_a_class_that_occurs_nowhere():
    # a: 1 right of 1 predicted and 2 expected, 2/3; b: 1 of 2 and 1, 2/3; c: occurs nowhere.
    value = point("f1_macro", plain(["a", "b", "b"]), ["a", "a", "b"], ["a", "b", "c"])
    assert value == pytest.approx(2 / 3, abs=1e-15)
    # Predicted once and never expected, c counts with F1 0; a: 1 right of 1 and 2; b: 1 of 1 and 1.
    value = point("f1_macro", plain(["a", "c", "b"]), ["a", "a", "b"], ["a", "b", "c"])
    assert value == pytest.approx((2 / 3 + 0 + 1) / 3, abs=1e-15)


def test_a_prediction_that_is_no_label_is_wrong_and_a_class_of_its_own():
    truth, said = ["a", "a", "b"], ["a", "none of these", "b"]
    for name, value in {
        "accuracy": 2 / 3,
        "f1_macro": reference.f1_score(truth, said, average="macro", zero_division=0),
        "f1_weighted": (2 * 2 / 3 + 1) / 3,
        "matthews": reference.matthews_corrcoef(truth, said),
    }.items():
        assert point(name, plain(said), truth, ["a", "b"]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("said", [None, ["a"], {"label": "a"}])
def test_a_prediction_of_another_type_is_wrong_not_a_crash(said):
    assert point("accuracy", plain([said, "b"]), ["a", "b"], ["a", "b"]) == 0.5


def test_constant_predictions_have_a_matthews_correlation_of_0():
    score = score_all(["matthews"], plain("aaaa"), list("abab"), ["a", "b"])["matthews"]
    assert (score.value, score.low, score.high) == (0.0, 0.0, 0.0)
    assert point("matthews", plain("aa"), ["a", "a"], ["a", "b"]) == 0.0


def test_log_loss_by_hand():
    predictions = [Prediction("a", {"a": 0.75, "b": 0.25}), Prediction("a", {"a": 0.5, "b": 0.5})]
    value = point("log_loss", predictions, ["b", "a"], ["a", "b"])
    assert value == pytest.approx((math.log(4) + math.log(2)) / 2, abs=1e-15)


def test_log_loss_of_an_impossible_answer_is_finite():
    predictions = [Prediction("a", {"a": 1.0, "b": 0.0})]
    # -ln(2 ** -52), the spacing of float64 at 1.
    assert point("log_loss", predictions, ["b"], ["a", "b"]) == pytest.approx(36.04365338911715)
    assert point("log_loss", predictions, ["a"], ["a", "b"]) == 0.0


def test_auroc_by_hand():
    # Members 0.9, 0.4; others 0.4, 0.1. Pairs: 0.9 wins 2, 0.4 ties 1 and wins 1: 3.5 of 4.
    predictions = [Prediction("b", {"a": 1 - p, "b": p}) for p in (0.9, 0.4, 0.4, 0.1)]
    assert point("auroc", predictions, ["b", "b", "a", "a"], ["a", "b"]) == 3.5 / 4


def test_auroc_of_one_class_is_undefined_and_reported_as_none():
    predictions = [Prediction("b", {"a": 0.1, "b": 0.9})] * 5
    for labels in (["a", "b"], ["b", "a"]):
        score = score_all(["auroc"], predictions, ["b"] * 5, labels)["auroc"]
        assert math.isnan(score.value)
        assert score.as_json() == {
            "value": None,
            "low": None,
            "high": None,
            "n": 5,
            "signature": "auroc|one-vs-rest|average:macro|labels:2|v:1",
            "is_better_higher": True,
        }


def test_auroc_goes_over_the_classes_that_are_in_the_references():
    truth, predictions, matrix = example(80, 3, seed=8)
    keep = [row for row, value in enumerate(truth) if value != "c2"]
    truth = np.array(truth)[keep]
    value = point("auroc", [predictions[row] for row in keep], truth.tolist(), labels_of(3))
    areas = [reference.roc_auc_score(truth == f"c{k}", matrix[keep, k]) for k in (0, 1)]
    assert value == pytest.approx(np.mean(areas), abs=1e-12)


def test_ece_by_hand():
    # Confidence 0.9 twice, one right: |0.5 - 0.9| * 2/4. 0.6, on the edge 9/15, belongs to the bin
    # below it, alone and right: |1 - 0.6| / 4. 0.62, one bin higher, alone and wrong: 0.62 / 4.
    tops = [0.9, 0.9, 0.6, 0.62]
    predictions = [Prediction("a", {"a": top, "b": 1 - top}) for top in tops]
    value = point("ece", predictions, ["a", "b", "a", "b"], ["a", "b"])
    assert value == pytest.approx(0.2 + 0.1 + 0.155, abs=1e-15)


@pytest.mark.parametrize("count", [2, 4])
def test_ece_is_equation_3_of_guo_et_al(count):
    truth, predictions, matrix = example(500, count, seed=9)
    confidence = matrix.max(axis=1)
    right = np.array([p.value == value for p, value in zip(predictions, truth, strict=True)])
    error = 0.0
    for m in range(1, 16):  # I_m = ((m - 1) / M, m / M], sec. 2
        inside = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        if inside.any():
            error += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    value = point("ece", predictions, truth, labels_of(count))
    assert value == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize("said", ["a", "c", "?"])
def test_ece_takes_the_predicted_class_where_two_tie(said):
    # Confidence 0.5. Of the tied a and b, a is right 3 times of 4 and b once; c and ? are not on
    # top, so that the first on top, a, is meant.
    predictions = [Prediction(said, {"a": 0.5, "b": 0.5, "c": 0.0})] * 4
    assert point("ece", predictions, ["a", "a", "a", "b"], ["a", "b", "c"]) == 0.25


def test_ece_agrees_with_accuracy_where_all_classes_tie():
    predictions = [Prediction("b", {"a": 0.5, "b": 0.5})] * 4
    assert point("ece", predictions, ["a"] * 4, ["a", "b"]) == 0.5  # Never right, 0.5 sure.
    assert point("ece", predictions, ["b", "b", "b", "b"], ["a", "b"]) == 0.5  # Always right.
    assert point("ece", predictions, ["b", "b", "a", "a"], ["a", "b"]) == 0.0


# -- what can't be scored -----------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_CLASSES)
def test_no_examples_are_refused(name):
    with pytest.raises(DataError, match=f"metric '{name}' got no examples"):
        score_all([name], [], [], ["a", "b"])


@pytest.mark.parametrize("name", OF_CLASSES)
def test_lists_of_different_length_are_refused(name):
    with pytest.raises(DataError, match=f"metric '{name}' .* got 1 predictions, 2 references"):
        score_all([name], plain("a"), ["a", "b"], ["a", "b"])


@pytest.mark.parametrize("name", ["auroc", "log_loss", "ece"])
def test_missing_scores_name_the_metric_and_the_row(name):
    with pytest.raises(DataError, match=f"metric '{name}' needs the probability .* there are none"):
        point(name, plain("ab"), ["a", "b"], ["a", "b"])
    some = [Prediction("a", {"a": 1.0, "b": 0.0}), Prediction("b")]
    with pytest.raises(DataError, match=rf"metric '{name}' needs .* row 1 \(from 0\) has none"):
        point(name, some, ["a", "b"], ["a", "b"])


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_reference_that_is_no_label_is_refused(name):
    _, predictions, _ = example(2, 2, seed=0)
    with pytest.raises(
        DataError, match=r"row 1 \(from 0\): the reference 'c11' is none .* did you mean 'c1'\?"
    ):
        point(name, predictions, ["c0", "c11"], ["c0", "c1"])
    with pytest.raises(DataError, match=r"row 0 .* reference None is none of the 2 labels"):
        point(name, predictions, [None, "c1"], ["c0", "c1"])
    with pytest.raises(DataError, match=r"row 1 .* reference \['c1'\] is none of the 2 labels"):
        point(name, predictions, ["c0", ["c1"]], ["c0", "c1"])


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"a": 0.5, "b": 0.6}, r"row 1 \(from 0\): the scores sum to 1.1; the prob"),
        ({"a": 0.4, "b": 0.5}, r"row 1 \(from 0\): the scores sum to 0.9; the prob"),
        ({"a": 2.5, "b": -1.5}, r"row 1 \(from 0\): the score of 'a' is 2.5; .* a logit\?"),
        ({"a": math.nan, "b": 0.5}, r"row 1 \(from 0\): the score of 'a' is nan; .*diverged"),
        ({"a": 1.0}, r"row 1 \(from 0\): no score for the label 'b'; it has scores for: a"),
        ({"a": 0.5, "b": 0.5, "c": 0.0}, r"row 1 .*: 3 scores for 2 labels; no labels are: c"),
        ({"a": "high", "b": 0.5}, r"row 1 \(from 0\): scores must be numbers; got"),
    ],
)
@pytest.mark.parametrize("name", ["auroc", "log_loss", "ece"])
def test_scores_that_are_no_probabilities_name_the_row(name, scores, message):
    predictions = [Prediction("a", {"a": 0.5, "b": 0.5}), Prediction("a", scores)]
    with pytest.raises(DataError, match=message):
        point(name, predictions, ["a", "b"], ["a", "b"])


def test_scores_rounded_to_four_digits_pass():
    predictions = [Prediction("a", {"a": 0.3334, "b": 0.3334, "c": 0.3334})]
    assert point("log_loss", predictions, ["a"], ["a", "b", "c"]) == pytest.approx(1.0984, abs=1e-3)


def test_a_label_given_twice_is_refused():
    with pytest.raises(DataError, match="the labels must differ; more than once there: a"):
        point("accuracy", plain("ab"), ["a", "b"], ["a", "b", "a"])
