"""Runs scored once more and compared with what they say: each thing that can be changed is seen."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from small_runs import results_of
from verified_runs import SOUND, file, fits, flipped, found, line, results, states

from gptasks.verification import Verifier


def test_a_run_is_what_it_says(finished: Path) -> None:
    done = gptasks("verify", str(finished))
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == f"""{finished}
  ok           configuration      task sequence_classification, backbone tiny, strategy lora, seed 0
  ok           files              4 files, as the run wrote them
  ok           validation scores  7 scores of 8 rows, bit for bit
  ok           test scores        7 scores of 31 rows, bit for bit
  ok           tally              this task counts nothing
  ok           data               train 81, validation 8, test 31 rows, as they were
  ok           predicted rows     ids, inputs and references are those of the data
  ok           truncation         nothing was cut
  ok           baselines          majority, tfidf: bit for bit
  ok           model              4 files, as the run wrote them
  ok           adapter            5 files, as the run wrote them
  ok           labels             bad, good: those of the data and model/
1 run: 12 ok
"""
    )


def test_the_same_as_json(finished: Path) -> None:
    done = gptasks("verify", str(finished), "--json")
    assert done.code == 0
    checks = json.loads(done.out)[str(finished)]
    assert {check["name"]: check["state"] for check in checks} == SOUND


# -- what was changed ---------------------------------------------------------------------


def broken_labels(values: dict[str, Any]) -> None:
    values["labels"] = ["bad", "fine"]


CHANGES: dict[str, tuple[Callable[[Path], None], dict[str, str]]] = {
    "an answer": (
        flipped,
        {"test scores": "accuracy value is 1.0 in results.json, 0.967741935483871 by the "
         "predictions; so differ accuracy low, f1_macro value, f1_macro low, f1_weighted value "
         "and 3 more"},
    ),
    "a number": (
        results(lambda r: r["metrics"]["test"]["accuracy"].update(value=0.99)),
        {"test scores": "accuracy value is 0.99 in results.json, 1.0 by the predictions"},
    ),
    "a number of validation": (
        results(lambda r: r["metrics"]["validation"]["ece"].update(high=None)),
        {"validation scores": "ece high is None in results.json, *"},
    ),
    "a signature": (
        results(lambda r: r["metrics"]["test"]["accuracy"].update(signature="accuracy|v:7")),
        {"test scores": "accuracy signature is accuracy|v:7 in results.json, accuracy|v:1 by *"},
    ),
    "a metric": (
        results(lambda r: r["metrics"]["test"].pop("ece")),
        {"test scores": "results.json has the scores accuracy, *, log_loss, where the task asks "
         "for accuracy, *"},
    ),
    "a baseline": (
        results(lambda r: r["baselines"]["tfidf"]["accuracy"].update(value=0.1)),
        {"baselines": "tfidf: accuracy value is 0.1 in results.json, 1.0 by the predictions"},
    ),
    "a baseline left out": (
        results(lambda r: r["baselines"].pop("majority")),
        {"baselines": "results.json has tfidf, where the task makes majority, tfidf"},
    ),
    "a byte of the weights": (
        file("model/model.safetensors", lambda held: held[:-1] + bytes([held[-1] ^ 1])),
        {"model": "model.safetensors has changed"},
    ),
    "a setting": (
        file("config.yaml", lambda held: held.replace(b"max_length: 512", b"max_length: 99")),
        {"files": "config.yaml has changed"},
    ),
    "the curves": (
        file("history.jsonl", lambda held: held.replace(b'"step": 0', b'"step": 1')),
        {"files": "history.jsonl has changed"},
    ),
    "the hashes of the files": (
        results(lambda r: r.update(files={})),
        {"files": "config.yaml is not of the run; *"},
    ),
    "a file below the model": (
        file("model/more/code.py", lambda _: b"1"),
        {"model": "more/code.py is not of the run"},
    ),
    "files of the model": (
        lambda run: [file("model/tokenizer_config.json", lambda _: None)(run),
                     file("model/adapter_config.json", lambda _: b"{}")(run),
                     file("model/.DS_Store", lambda _: b"")(run),
                     file("model/README.md", lambda _: b"edited")(run)],
        {"model": "tokenizer_config.json is missing; adapter_config.json is not of the run"},
    ),
    "the weights of the adapter": (
        file("adapter/adapter_model.safetensors", lambda held: held[:-1] + bytes([held[-1] ^ 1])),
        {"adapter": "adapter_model.safetensors has changed"},
    ),
    "no adapter": (
        lambda run: shutil.rmtree(run / "adapter"),
        {"adapter": "adapter_config.json is missing; *"},
    ),
    "the names of the labels in the model": (
        file("model/config.json", lambda held: held.replace(b'"good"', b'"fine"')),
        {"model": "config.json has changed",
         "labels": "model/config.json says id2label={0: 'bad', 1: 'fine'}, where this run has *"},
    ),
    "the configuration of the model": (
        file("model/config.json", lambda _: b'{"id2label": 5}'),
        {"model": "config.json has changed", "labels": "*/model/config.json can't be read: *"},
    ),
    "labels": (
        results(broken_labels),
        {"labels": "bad, fine in results.json, bad, good by the data",
         "validation scores": "*the reference 'good' is none of the 2 labels (bad, fine)*",
         "test scores": "*the reference 'good' is none of the 2 labels (bad, fine)*"},
    ),
    "what was trained": (
        results(lambda r: r.update(strategy="full", select="accuracy")),
        {"configuration": "strategy is 'full' in results.json and 'lora' by config.yaml; select "
         "is 'accuracy' in results.json and 'log_loss' by config.yaml"},
    ),
    "the count of rows": (
        results(lambda r: r["data"]["test"].update(n=30)),
        {"test scores": "test.jsonl holds 31 predictions, where results.json says 30",
         "data": "test has changed: n 30 in results.json, 31 now"},
    ),
    "a ledger": (
        results(lambda r: r["truncation"]["test"].update(tokens_lost=9)),
        {"truncation": "test tokens_lost is 9 in results.json, 0 by the data"},
    ),
    "the hashes of the model": (
        results(lambda r: r.update(model={})),
        {"model": "config.json is not of the run; *"},
    ),
    "the hashes of the adapter": (
        results(lambda r: r.update(adapter={})),
        {"adapter": "adapter_config.json is not of the run; *"},
    ),
    "a tally": (
        results(lambda r: r["tally"].update(test={"empty": 2})),
        {"tally": "test empty is 2 in results.json, the predictions give None"},
    ),
    "a reference": (
        line(3, reference=5),
        {"test scores": "*the reference 5 is none of the 2 labels (bad, good)*",
         "predicted rows": "test.jsonl, line 3, has the reference 5, where reviews.csv:* has "
         "'*'"},
    ),
    "an id": (
        line(1, id="other.csv:2"),
        {"predicted rows": "test.jsonl, line 1, has the id 'other.csv:2', where reviews.csv:*"},
    ),
    "an input": (
        line(4, input="the film was long"),
        {"predicted rows": "test.jsonl, line 4, has the input 'the film was long', where *"},
    ),
    "a score that is none": (
        line(2, scores={"bad": "much"}),
        dict.fromkeys(("test scores", "tally", "predicted rows"),
                      "*test.jsonl, line 2, is damaged: scores.bad is 'much', where *"),
    ),
    "details that are none": (
        line(2, details=5),
        dict.fromkeys(("test scores", "tally", "predicted rows"),
                      "*test.jsonl, line 2, is damaged: details is 5, where an object should be."),
    ),
    "the predictions": (
        file("predictions/test.jsonl", lambda _: None),
        dict.fromkeys(("test scores", "tally", "predicted rows"),
                      "*/predictions/test.jsonl is missing.")
        | {"files": "predictions/test.jsonl is missing"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_seen_and_only_that(what: str, run: Path, verifier: Verifier) -> None:
    change, told = CHANGES[what]
    path = run / "predictions" / "test.jsonl"
    predictions = path.read_bytes()
    change(run)
    if path.is_file() and path.read_bytes() != predictions:
        told = told | {"files": "predictions/test.jsonl has changed"}
    checks = found(verifier, run)
    unsure = {"truncation": "not checked"} if "model" in told else {}
    assert states(checks) == SOUND | dict.fromkeys(told, "FAILED") | unsure
    for name, text in told.items():
        assert fits(checks[name].text, text), checks[name].text


def test_a_run_that_is_not_as_it_says_ends_with_1(run: Path) -> None:
    flipped(run)
    done = gptasks("verify", str(run))
    assert done.code == 1
    assert "  FAILED       test scores        accuracy value is 1.0 in results.json" in done.out
    assert done.out.endswith("1 run: 10 ok, 2 FAILED\n")
    assert done.err == "gptasks: of 1 run 1 is not what it says\n"


def keys(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


def test_no_key_of_the_results_can_be_taken_away_or_be_none(
    finished: Path, run: Path, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But those of what nothing else tells: how training went, in what time and by what."""
    untold = {"fit", "versions", "plugins", "timing"}
    whole = results_of(finished)
    for *above, last in keys(whole):
        if set(above) & untold:
            continue
        for change in ("taken away", "none"):
            values = copy.deepcopy(whole)
            place = values
            for key in above:
                place = place[key]
            if change == "taken away":
                del place[last]
            else:
                place[last] = None
            (run / "results.json").write_text(json.dumps(values), "utf-8")
            states = {check.state for check in verifier.checks(run)}
            assert "FAILED" in states, f"{'.'.join((*above, last))}, {change}"


def test_results_that_can_not_be_read_fail(run: Path, verifier: Verifier) -> None:
    (run / "results.json").write_text("{", "utf-8")
    (check,) = verifier.checks(run)
    assert (check.state, "can't be read" in check.text) == ("FAILED", True)
