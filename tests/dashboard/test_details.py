"""What is told of predictions by row, by slice, by label and by confidence."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from gptasks.compare.reading import Stored
from gptasks.dashboard import details as told
from gptasks.dashboard.details import Slice
from gptasks.metrics import measure
from gptasks.task import Prediction

LABELS = ("bad", "good", "ok")


def stored(said: list, meant: list, sure: list[float] | None = None) -> Stored:
    def scores(value: str, p: float) -> dict[str, float]:
        return {label: p if label == value else (1 - p) / 2 for label in LABELS}

    sure = sure or [0.8] * len(said)
    predictions = [
        Prediction(value, scores(value, p) if isinstance(value, str) else {})
        for value, p in zip(said, sure, strict=True)
    ]
    return Stored([str(n) for n in range(len(said))], predictions, meant)


def drawn(n: int = 60) -> Stored:
    generator = np.random.default_rng(0)
    meant = generator.choice(LABELS, n).tolist()
    said = [one if generator.random() < 0.6 else LABELS[generator.integers(3)] for one in meant]
    return stored(said, meant, generator.uniform(0.4, 0.99, n).tolist())


def values(found: Stored) -> list[str]:
    return [prediction.value for prediction in found.predictions]


def test_a_row_is_worth_what_the_metric_gives_it_alone() -> None:
    found = drawn(600)  # more than one part of them
    rows = told.row_scores(found, LABELS, ["accuracy"], {})
    right = [a == b for a, b in zip(values(found), found.references, strict=True)]
    assert rows["metric"] == "accuracy"
    assert rows["values"].tolist() == [float(one) for one in right]


def test_the_first_metric_that_single_rows_have_is_taken() -> None:
    found = drawn()
    assert told.row_scores(found, LABELS, ["auroc", "log_loss"], {})["metric"] == "log_loss"
    assert told.row_scores(found, LABELS, ["auroc"], {}) == {"metric": None, "values": []}


def test_an_exact_answer_that_gets_nothing_by_convention_is_worth_no_number() -> None:
    meant = [["O", "O"], ["O", "O"], ["B-PER", "O"]]
    said = [["O", "O"], ["O", "B-PER"], ["B-PER", "O"]]
    rows = told.row_scores(stored(said, meant), ("O",), ["entity_f1"], {})
    assert rows["values"] == pytest.approx([np.nan, 0.0, 1.0], nan_ok=True)
    sure = stored(["good"], ["good"], [1.0])  # of a log loss, 0 is the best there is
    assert told.row_scores(sure, LABELS, ["log_loss"], {})["values"] == pytest.approx([0.0])


def test_a_slice_has_the_scores_of_its_rows_alone() -> None:
    found = drawn()
    places = np.arange(0, 60, 2)
    names = ("accuracy", "f1_macro")
    measures = {n: measure(n, found.predictions, found.references, LABELS) for n in names}
    (one,) = told.slice_scores(measures, [Slice("genre", "drama", places)], 60)
    said, meant = np.array(values(found))[places], np.array(found.references)[places]
    assert one["n"] == 30
    assert one["scores"]["accuracy"] == pytest.approx(accuracy_score(meant, said))
    assert one["scores"]["f1_macro"] == pytest.approx(f1_score(meant, said, average="macro"))
    assert one["low"] < one["scores"]["accuracy"] < one["high"]


def test_a_small_slice_has_no_interval() -> None:
    found = drawn()
    measures = {"accuracy": measure("accuracy", found.predictions, found.references, LABELS)}
    (one,) = told.slice_scores(measures, [Slice("genre", "drama", np.arange(9))], 60)
    assert np.isnan([one["low"], one["high"]]).all()


def test_scores_of_labels_are_scikit_learns() -> None:
    found = drawn()
    expected = precision_recall_fscore_support(
        found.references, values(found), labels=LABELS, zero_division=0
    )
    shown = told.label_scores(found, LABELS)
    assert [one["label"] for one in shown] == list(LABELS)
    for place, key in enumerate(("precision", "recall", "f1", "n")):
        assert [one[key] for one in shown] == pytest.approx(expected[place].tolist())


def test_scores_of_tags_are_of_entities_read_strictly() -> None:
    meant = [["B-LOC", "I-LOC", "O"], ["B-PER", "O", "B-LOC"]]
    said = [["B-LOC", "I-LOC", "O"], ["I-PER", "O", "B-PER"]]
    shown = told.label_scores(stored(said, meant), ("O", "B-LOC"))
    assert {one["label"]: (one["precision"], one["recall"], one["n"]) for one in shown} == {
        "LOC": (1.0, 0.5, 2),
        "PER": (0.0, 0.0, 1),
    }
    pos = [["NOUN", "VERB"], ["VERB", "NOUN"]]
    assert told.label_scores(stored(pos, pos), ()) == []


def test_a_confusion_matrix_has_references_as_rows() -> None:
    found = stored(["good", "good", "bad"], ["good", "bad", "bad"])
    assert told.confusion(found, ("bad", "good")) == [[1, 1], [0, 1]]
    assert told.confusion(stored(["a text"], ["another"]), ()) is None


def test_the_reliability_diagram_adds_up_to_the_ece() -> None:
    found = drawn(400)
    bins = told.reliability(found, LABELS)
    gap = sum(one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins) / 400
    ece = measure("ece", found.predictions, found.references, LABELS)(np.ones((400, 1)))[0]
    assert gap == pytest.approx(ece)


def test_threshold_curves_count_the_rows_that_reach_each() -> None:
    found = stored(["good", "good", "bad"], ["good", "bad", "bad"], [0.9, 0.5, 0.8])
    curve = told.threshold_curves(found, LABELS)["good"]
    assert (curve["reached"][[0, 10, 11, 50, 51, 90, 91]] == [3, 3, 2, 2, 1, 1, 0]).all()
    assert (curve["found"][[0, 90, 91]] == [1, 1, 0]).all()
    assert curve["n"] == 1


def test_what_needs_probabilities_is_left_out_without_them() -> None:
    meant = ["a b", "c d"]
    found = Stored(["0", "1"], [Prediction("a b"), Prediction("c")], meant)
    shown = told.details(found, (), ["rougeL", "not_there"], [], {})
    assert set(shown) == {"rows", "slices", "labels", "confusion"}
    assert shown["rows"]["values"] == pytest.approx([1.0, 2 / 3])
