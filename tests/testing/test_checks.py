"""Every check of a plugin catches the task that was broken for it, and passes sound ones."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from testing.sound import OF, OPINIONS, WEATHER, failures, plugin

from gptasks import ConfigError
from gptasks.testing import CHECKS, check_task, checking, learning, outcomes

BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "states_the_contract": (
        {"contract": ""},
        "plugins/mine/__init__.py does not say GPTASKS_CONTRACT = 2",
    ),
    "options_survive_a_file": (
        {"body": 'folder: Path = Path("x")\n"""A folder."""'},
        "task.folder is PosixPath('x'), and 'x' after it was written and read",
    ),
    "options_are_documented": ({"body": "width: int = 3"}, "no docstring under task.width"),
    "rows_are_deterministic": (
        {"body": "def read(self, row):\n"
                 "    row['noise'] = random.random()\n    return super().read(row)"},
        "the rows differ: number 1 is ",
    ),
    "splits_do_not_overlap": (
        {"body": "def key(self, row):\n    return row.id"},
        "the key of rows.jsonl:1 depends on the row's id: 'rows.jsonl:1 again'",
    ),
    "baselines_do_not_peek": (
        {"body": "def baselines(self, train, validation, test):\n"
                 "    return {'seer': [Prediction(row['label']) for row in test]}"},
        "seer answers otherwise when the test rows' answers are others",
    ),
    "windows_have_their_shape": (
        {"body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        yield {**window, 'input_ids': torch.tensor(window['input_ids'])}"},
        "rows.jsonl:1: input_ids is tensor(",
    ),
    "targets_are_kept_or_counted": (
        {"body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        window.pop('lost', None)\n"
                 "        yield window"},
        "cut to task.max_length=512 it keeps, with those reported lost, 512",
    ),
    "the_answer_is_not_in_the_input": (
        {"body": "def encode(self, row, tokenizer):\n"
                 "    text = row['text'] + ' ' + row.get('label', '')\n"
                 "    yield from super().encode(Row({**row, 'text': text}, row.id), tokenizer)"},
        "rows.jsonl:1: the score ",
    ),
    "the_cue_is_kept": (
        {"body": "def encode(self, row, tokenizer):\n"
                 "    whole = tokenizer.plain('Film: ' + row['text'] + ' It is')\n"
                 "    kept = whole[: self.max_length]\n"
                 "    window = {'input_ids': kept, 'lost': len(whole) - len(kept)}\n"
                 "    if self.reference(row):\n"
                 "        window['label'] = self.labels.index(self.reference(row))\n"
                 "    yield window"},
        "a short text ends with the 6 tokens ' It is'; one that was cut to task.max_length=512 "
        "does not",
    ),
    "training_reads_what_use_reads": (
        {"base": "ConditionalGeneration",
         "body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        if 'labels' not in window:\n"
                 "            window['input_ids'].append(tokenizer.plain('?')[0])\n"
                 "        yield window"},
        "without its answer",
    ),
    "the_whole_text_is_read": (
        {"body": "def pool(self, hidden, batch):\n    return hidden[:, 0]"},
        "a token more at the end of a text changes nothing",
    ),
    "predicting_twice_is_the_same": (
        {"body": "def predict(self, model, batch):\n"
                 "    return [Prediction(random.choice(self.labels), one.scores)\n"
                 "            for one in super().predict(model, batch)]"},
        "rows.jsonl:",
    ),
    "every_word_is_answered": (
        {"base": "TokenClassification",
         "body": "def encode(self, row, tokenizer):\n"
                 "    yield next(super().encode(row, tokenizer))\n\n"
                 "def merge(self, row, parts):\n"
                 "    return parts[0]"},
        "a row with a longer input has ",
    ),
    "transformers_opens_it": (
        {"body": "def pool(self, hidden, batch):\n"
                 "    mask = batch['attention_mask'].unsqueeze(-1)\n"
                 "    return (hidden * mask).sum(1) / mask.sum(1)"},
        "rows.jsonl:1: AutoModelForSequenceClassification gives logits that differ by ",
    ),
    "every_strategy_ends": (
        {"body": "def probe(self):\n    return object()"},
        "strategy=head ends with AttributeError: 'object' object has no attribute 'f",
    ),
    "the_end_is_a_target": (
        {"base": "ConditionalGeneration",
         "body": "def encode(self, row, tokenizer):\n"
                 "    for window in super().encode(row, tokenizer):\n"
                 "        if 'labels' in window:\n"
                 "            window['labels'][-1] = -100\n"
                 "        yield window"},
        "rows.jsonl:1: its last target is the token ",
    ),
    "loss_is_a_sum": (
        {"body": "def loss(self, logits, batch):\n"
                 "    total, count = super().loss(logits, batch)\n"
                 "    return total / count, count"},
        "twice as much was expected",
    ),
    "padding_changes_nothing": (
        {"body": "def pool(self, hidden, batch):\n    return hidden[:, -1]"},
        "alone their losses are ",
    ),
    "a_batch_predicts_like_single_rows": (
        {"body": "def predict(self, model, batch):\n"
                 "    return list(reversed(super().predict(model, batch)))"},
        "rows.jsonl:1: ",
    ),
    "predictions_have_their_shape": (
        {"body": "def predict(self, model, batch):\n"
                 "    found = super().predict(model, batch)\n"
                 "    return [Prediction(self.labels.index(p.value), p.scores) for p in found]"},
        "rows.jsonl:1: the value is the int ",
    ),
    "odd_rows_are_handled": (
        {"body": "def read_input(self, row):\n"
                 "    first = row['text'].split()[0]\n    return row"},
        "a row whose text is empty (''), in training, raises IndexError: list index out of range",
    ),
    "gold_scores_best": (
        {"body": "metrics: list[str] = field(default_factory=lambda: ['odd'])",
         "after": "@hookimpl\n"
                  "def register_metrics():\n"
                  "    class Odd(MeanMetric):\n"
                  "        name, answer, source = 'odd', 'label', 'this test'\n"
                  "        def score(self, prediction, reference):\n"
                  "            return len(prediction)\n"
                  "    return [Odd]"},
        "odd: the right answers score ",
    ),
    "sixteen_rows_can_be_learnt": (
        {"body": "def loss(self, logits, batch):\n"
                 "    total, count = super().loss(logits.detach() + 0 * logits, batch)\n"
                 "    return total, count"},
        "after 40 steps the loss of a target is ",
    ),
    "predictions_survive_saving": (
        {"body": "def head(self, backbone):\n"
                 "    class Shifted(torch.nn.Linear):\n"
                 "        def __init__(self, *sizes):\n"
                 "            super().__init__(*sizes)\n"
                 "            self.shift = torch.randn(sizes[1])  # no buffer: it is not saved\n"
                 "        def forward(self, x):\n"
                 "            return super().forward(x) + self.shift\n"
                 "    return Shifted(backbone.hidden_size, len(self.labels))\n\n"
                 "def layout(self):\n"
                 "    return None"},
        "after it was saved",
    ),
    "a_run_goes_on_as_if_never_stopped": (
        {"body": "def loss(self, logits, batch):\n"
                 "    self.calls = getattr(self, 'calls', 0) + 1\n"
                 "    total, count = super().loss(logits, batch)\n"
                 "    return total * (1 + self.calls % 7), count"},
        "the curves of a whole run and of one that was stopped differ",
    ),
    "needs_no_network": (
        {"body": "def read_input(self, row):\n"
                 "    try:\n"
                 "        urllib.request.urlopen('http://example.org')\n"
                 "    except OSError:\n"
                 "        pass\n"
                 "    return super().read_input(row)"},
        "another machine was asked at ",
    ),
}  # fmt: skip
"""For each check a task that is broken for it, and what is said of it."""


def test_every_check_has_a_task_that_is_broken_for_it() -> None:
    assert set(BROKEN) == set(CHECKS)


@pytest.mark.parametrize("check", BROKEN)
def test_a_broken_task_is_caught_by_the_check_meant_for_it(
    check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "STEPS", 40)
    given, told = BROKEN[check]
    plugin(**given)
    found = failures(check, base=given.get("base", "SequenceClassification"))
    assert told in found[check]


def test_a_check_that_does_not_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SECONDS", 0.5)
    plugin(
        "def baselines(self, train, validation, test):\n"
        "    end = time.monotonic() + 20\n"
        "    while time.monotonic() < end:\n"
        "        try:\n"
        "            time.sleep(0.01)\n"
        "        except Exception:\n"
        "            pass\n"
        "    return {}",
        before="import time",
    )
    found = failures("baselines_do_not_peek")
    assert found["baselines_do_not_peek"].startswith("it did not end in 0.5 s: __init__.py line ")


def test_what_raises_is_told_with_the_line_of_the_task() -> None:
    plugin("def loss(self, logits, batch):\n    return torch.zeros(3) @ torch.zeros(4), 1")
    said = failures("loss_is_a_sum")["loss_is_a_sum"]
    assert said.startswith("it raises RuntimeError: ")
    assert "(__init__.py line " in said


def test_what_builds_on_a_failed_check_is_not_tried() -> None:
    given, _ = BROKEN["windows_have_their_shape"]
    plugin(**given)
    found = {one.check: one for one in outcomes("mine", OF["SequenceClassification"])}
    assert [name for name, one in found.items() if one.failure] == ["windows_have_their_shape"]
    skipped = {one.skipped for one in found.values() if "not tried" in one.skipped}
    assert skipped == {"not tried, since windows_have_their_shape failed"}
    assert found["gold_scores_best"].word == found["options_are_documented"].word == "ok"
    assert sum("not tried" in one.skipped for one in found.values()) == len(CHECKS) - 6


READ = """
def read(self, row):
    title, _, story = row["document"].partition(": ")
    return super().read(Row({**row, "source": story, "target": title}, row.id))
"""


def test_what_fails_in_another_process_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    plugin(
        "def read(self, row):\n"
        "    if os.environ['PYTHONHASHSEED'] != '0':\n"
        "        raise OSError('not here')\n"
        "    return super().read(row)",
        before="import os",
    )
    assert failures("rows_are_deterministic") == {
        "rows_are_deterministic": "in another process it ends with 1: OSError: not here"
    }


def test_an_odd_row_that_teaches_no_number_is_told() -> None:
    plugin(
        "def read_input(self, row):\n"
        "    return row\n\n"
        "def read(self, row):\n"
        "    return row\n\n"
        "def encode(self, row, tokenizer):\n"
        "    size = float(len(row['text'].strip()))\n"
        "    for window in super().encode(Row({**row, 'text': row['text'] or '?'}, row.id),\n"
        "                                 tokenizer):\n"
        "        yield {**window, 'size': size}\n\n"
        "def loss(self, logits, batch):\n"
        "    total, count = super().loss(logits, batch)\n"
        "    return total / torch.tensor(batch['size']).sum(), count"
    )
    said = failures("odd_rows_are_handled")["odd_rows_are_handled"]
    assert said == "a row whose text is empty ('') has a loss of inf"


def test_columns_that_reading_makes_are_those_that_are_tried() -> None:
    plugin(READ, base="ConditionalGeneration")
    rows = [{"document": f"{row['target']}: {row['source']}"} for row in WEATHER]
    found = outcomes("mine", rows, only=["the_cue_is_kept", "odd_rows_are_handled"])
    assert {one.check: one.word for one in found} == {
        "the_cue_is_kept": "ok", "odd_rows_are_handled": "ok",
    }  # fmt: skip


def test_two_rows_are_enough_for_a_training() -> None:
    plugin()
    names = ["every_strategy_ends", "a_run_goes_on_as_if_never_stopped"]
    assert failures(*names, rows=OPINIONS[:2]) == {}


@pytest.mark.parametrize(
    "base", ["SequenceClassification", "TokenClassification", "ConditionalGeneration"]
)
def test_runs_of_every_kind_are_really_stopped_and_go_on(base: str) -> None:
    plugin(base=base)
    (found,) = outcomes("mine", OF[base], only=["a_run_goes_on_as_if_never_stopped"])
    assert found.word == "ok"


def test_a_task_in_a_chat_template_is_tried_like_any_other() -> None:
    plugin(base="ConditionalGeneration", body='chat: bool = True\n"""By the chat template."""')
    names = ["windows_have_their_shape", "the_cue_is_kept", "every_strategy_ends"]
    found = outcomes("mine", OF["ConditionalGeneration"], only=names)
    assert {one.check: one.word for one in found} == dict.fromkeys(names, "ok")


@pytest.mark.parametrize("error", ["ConfigError", "DataError", "ValueError"])
def test_an_error_of_any_kind_is_a_failure(error: str) -> None:
    plugin(
        f"def head(self, backbone):\n    raise {error}('no head today')",
        before="from gptasks import ConfigError",
    )
    names = ["every_strategy_ends", "loss_is_a_sum", "a_run_goes_on_as_if_never_stopped"]
    found = failures(*names)
    assert set(found) == set(names)
    assert all("no head today" in said for said in found.values())


def test_a_sound_task_passes_every_check() -> None:
    plugin()
    before = socket.socket.connect
    assert failures() == {}
    assert socket.socket.connect is before
    assert {path.name for path in Path.cwd().iterdir()} == {"plugins"}  # nothing is left behind


def test_what_failed_comes_with_its_reason_and_remedy() -> None:
    plugin("def key(self, row):\n    return row.id")
    with pytest.raises(AssertionError) as caught:
        check_task("mine", OF["SequenceClassification"], only=["splits_do_not_overlap"])
    first, must, why, mend = str(caught.value).splitlines()
    assert first.startswith("task mine: FAILED  splits_do_not_overlap: the key of rows.jsonl:1 ")
    assert must.strip() == "What the model reads in training never stands in validation or test."
    assert why.strip().startswith("Splits are cut by `key`")
    assert mend.strip().startswith("Mend: let `key` give the text that the model reads")


def test_every_check_says_why_it_matters_and_how_to_mend() -> None:
    for check in CHECKS.values():
        must, why, mend = (check.__doc__ or "").strip().split("\n\n")
        assert must.endswith(".")
        assert why.strip()
        assert mend.strip().startswith("Mend: ")


def test_a_task_without_data_asks_for_rows() -> None:
    plugin()
    with pytest.raises(ConfigError) as caught:
        check_task("mine")
    assert str(caught.value) == (
        "task 'mine': the task names no data, so there are no rows to try it on; give some: "
        "--data FILE on the command line, the second argument in a test"
    )
    with pytest.raises(ConfigError, match="task 'mine': there are no rows to try it on"):
        check_task("mine", [])
