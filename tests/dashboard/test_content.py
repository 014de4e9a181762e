"""What a page holds of its runs: the head, and the blocks behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import answers, made_run
from pages import block_of, blocks_of, content_of
from small_runs import predictions_of
from small_runs import run as trained

from gptasks.dashboard import page
from gptasks.dashboard.content import POINTS
from gptasks.errors import DataError

FAIR = answers("+" * 15 + "-" * 5)
GOOD = answers("+" * 19 + "-" * 1)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with two runs on the same rows."""
    made_run(tmp_path / "runs/fair", FAIR, metrics=["accuracy", "log_loss"])
    made_run(tmp_path / "runs/good", GOOD, metrics=["accuracy", "log_loss"], strategy="head")
    return tmp_path / "runs"


def rewritten(run: Path, change: Any) -> None:
    """Change the predictions that a run keeps."""
    records = [change(n, record) for n, record in enumerate(predictions_of(run))]
    text = "".join(json.dumps(record) + "\n" for record in records if record)
    (run / "predictions" / "test.jsonl").write_text(text, "utf-8")


def test_the_head_has_every_run_with_every_score(two: Path) -> None:
    head = content_of([two]).head
    assert [(run["name"], run["strategy"], run["finished"]) for run in head["runs"]] == [
        ("fair", "lora", True),
        ("good", "head", True),
    ]
    found = head["runs"][1]["scores"]["test"]
    assert found["accuracy"]["value"] == 0.95
    assert (found["log_loss"]["up"], found["accuracy"]["up"]) == (False, True)
    cells = {cell["system"]: cell["runs"] for cell in head["table"]["cells"]}
    assert cells == {0: [1], 1: [0]}  # the better one first, each with its place in `runs`


def test_runs_on_the_same_rows_share_them(two: Path) -> None:
    made = content_of([two])
    (rows,) = {run["rows"] for run in made.head["runs"]}
    block = made.blocks[rows]()
    assert block["inputs"] == [f"text {n}" for n in range(20)]
    assert block["references"][:2] == [0, 1]  # places in the labels, which stand there once
    assert block["balance"] == {"bad": 10, "good": 10}
    said = [block_of(made, "answers", n)["predictions"] for n in range(2)]
    assert sum(a != b for a, b in zip(*said, strict=True)) == 4


def test_answers_stand_in_the_order_of_the_shared_rows(two: Path) -> None:
    expected = block_of(content_of([two]), "answers", 1)
    lines = predictions_of(two / "good")
    (two / "good/predictions/test.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in reversed(lines)), "utf-8"
    )
    found = block_of(content_of([two]), "answers", 1)
    for key in ("predictions", "rows", "scores", "confusion"):
        assert found[key] == expected[key]


def test_rows_of_files_of_other_names_are_matched_by_their_places(two: Path) -> None:
    expected = block_of(content_of([two]), "answers", 1)
    rewritten(two / "good", lambda n, record: {**record, "id": f"other.csv:{n}"})
    assert block_of(content_of([two]), "answers", 1) == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n, record: {**record, "reference": "good"},
         "its predictions are not of the rows that other runs on this data have."),
        (lambda n, record: {k: v for k, v in record.items() if k != "scores"},
         "{run}/predictions/test.jsonl, line 1, is damaged: scores is missing."),
        (lambda n, record: {**record, "scores": {"bad": None, "good": None}},
         "row 0 (from 0): the score of 'bad' is nan; a probability lies between 0 and 1 (has its "
         "model diverged? a lower trainer.learning_rate would help)"),
        (lambda n, record: None, "{run} keeps 0 predictions, where it was tested on 20 rows."),
        (lambda n, record: {**record, "slices": {"year": {}}},
         "{run}/predictions/test.jsonl, line 1, is damaged: slices.year is '{{}}', where a text, a "
         "number or null should be."),
        (lambda n, record: {**record, "slices": ["a"]},
         "{run}/predictions/test.jsonl, line 1, is damaged: slices is a list, where an object "
         "should be."),
    ],
)  # fmt: skip
def test_predictions_that_can_t_be_shown_are_told(two: Path, change: Any, reason: str) -> None:
    rewritten(two / "good", change)
    made = content_of([two], tests="none")
    assert block_of(made, "answers", 1) == {"fault": reason.format(run=two / "good")}
    assert "fault" not in block_of(made, "answers", 0)


def test_a_damaged_run_is_not_what_the_others_are_measured_by(two: Path) -> None:
    """Though it is the first: its answers are others, its rows too."""
    rewritten(two / "fair", lambda n, record: {**record, "reference": "good"})
    made = content_of([two], tests="none")
    assert block_of(made, "answers", 0) == {
        "fault": "its predictions are not of the rows that other runs on this data have."
    }
    assert "fault" not in block_of(made, "answers", 1)


def test_without_any_predictions_the_scores_are_still_there(two: Path) -> None:
    for run in ("fair", "good"):
        (two / run / "predictions/test.jsonl").unlink()
    made = content_of([two], tests="none")
    assert made.blocks[made.head["runs"][0]["rows"]]() == {"n": 0, "ids": []}
    assert block_of(made, "answers", 0) == {"fault": "its predictions can't be read."}


def test_many_rows_are_shown_in_part_and_scored_in_whole(two: Path) -> None:
    made = content_of([two], rows=5)
    rows = made.blocks[made.head["runs"][0]["rows"]]()
    assert (rows["n"], rows["ids"]) == (20, [f"test.csv:{n + 2}" for n in (0, 4, 8, 12, 16)])
    found = block_of(made, "answers", 0)
    assert len(found["predictions"]) == len(found["rows"]["values"]) == 5
    assert sum(map(sum, found["confusion"])) == 20


def test_a_page_without_texts_holds_none(tmp_path: Path) -> None:
    secret = [f"secret {n}" for n in range(20)]
    texts = [(f"written {n}", f"meant {n}") for n in range(20)]
    made_run(tmp_path / "a", FAIR, inputs=secret)
    made_run(tmp_path / "b", texts, task="write", labels=(), metrics=["rougeL"], inputs=secret)
    whole = json.dumps(blocks_of("".join(page(content_of([tmp_path]), title="t"))))
    assert all(word in whole for word in ("secret", "written", "meant"))
    bare = json.dumps(blocks_of("".join(page(content_of([tmp_path], texts=False), title="t"))))
    assert not any(word in bare for word in ("secret", "written", "meant"))


def test_a_block_is_of_its_run_whatever_others_there_are(two: Path) -> None:
    before = content_of([two])
    made_run(two / "another", FAIR)
    after = content_of([two])
    assert [run["name"] for run in after.head["runs"]] == ["another", "fair", "good"]
    for number in range(2):
        key = before.head["runs"][number]["key"]
        assert key == after.head["runs"][number + 1]["key"]
        assert f"answers-{key}" in after.blocks


def test_columns_of_slice_by_are_slices(tmp_path: Path) -> None:
    slices = [{"genre": "drama" if n % 4 else "comedy"} for n in range(20)]
    made_run(tmp_path / "a", FAIR)  # which did not keep them
    run = made_run(tmp_path / "b", FAIR, slices=slices, strategy="head")
    with (run / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("task.slice_by: [genre]\n")
    made = content_of([tmp_path])
    rows = made.blocks[made.head["runs"][0]["rows"]]()
    assert rows["columns"]["genre"][:2] == ["comedy", "drama"]
    found = [one for one in block_of(made, "answers", 1)["slices"] if one["by"] == "genre"]
    assert [(one["value"], one["n"]) for one in found] == [("comedy", 5), ("drama", 15)]


def test_curves_are_thinned_out_and_keep_their_ends(two: Path) -> None:
    points = [{"step": n, "train/loss": 1 / (n + 1), "time/seconds": n / 2} for n in range(1301)]
    points += [{"step": 1300, "validation/loss": None}]
    (two / "fair/history.jsonl").write_text("\n".join(map(json.dumps, points)), "utf-8")
    curves = block_of(content_of([two]), "curves", 0)
    loss = curves["train/loss"]
    assert len(loss["step"]) <= POINTS + 1
    assert (loss["step"][0], loss["step"][-1], loss["seconds"][-1]) == (0, 1300, 650.0)
    assert curves["validation/loss"] == {"step": [1300], "value": [None], "seconds": [650.0]}


def test_a_run_that_goes_on_is_there_with_its_curves(two: Path) -> None:
    (two / "fair/results.json").unlink()
    (two / "fair/history.jsonl").write_text('{"step": 7, "train/loss": 0.5}\n', "utf-8")
    made = content_of([two])
    assert [run["name"] for run in made.head["runs"]] == ["good", "fair"]
    going = made.head["runs"][1]
    assert (going["finished"], going["step"], going["task"]) == (False, 7, "toy")
    assert block_of(made, "curves", 1)["train/loss"]["value"] == [0.5]
    assert made.head["broken"] == []


def test_a_folder_that_is_no_run_is_a_line(two: Path) -> None:
    (two / "good/results.json").write_text("{", "utf-8")
    head = content_of([two]).head
    assert [run["name"] for run in head["runs"]] == ["fair"]
    assert head["broken"][0]["reason"].startswith(f"{two}/good/results.json can't be read")
    (two / "good/results.json").unlink()  # nor is one that goes on, without its configuration
    (two / "good/config.yaml").write_text("", "utf-8")
    head = content_of([two]).head
    assert [run["name"] for run in head["runs"]] == ["fair"]
    assert head["broken"][0]["reason"] == f"{two}/good/config.yaml holds no configuration."


def test_a_run_keeps_the_columns_of_slice_by(tmp_path: Path) -> None:
    rows = [f"the {n}th was {'great' if n % 2 else 'awful'},{n % 2},{1990 + n}" for n in range(40)]
    data = tmp_path / "films.csv"
    data.write_text("\n".join(["text,label,year", *rows]), "utf-8")
    trained(data, "task.slice_by=[year]", "strategy=head", "run=kept", "trainer.epochs=1")
    years = {record["input"]: record["slices"]["year"] for record in predictions_of(Path("kept"))}
    assert years
    assert all(text.split("th ")[0] == f"the {int(year) - 1990}" for text, year in years.items())
    with pytest.raises(DataError) as caught:
        trained(data, "task.slice_by=[yaer]", "strategy=head", "run=other")
    assert str(caught.value) == (
        "task.slice_by: no test row has a column 'yaer'; did you mean 'year'? "
        "(there are: text, label, year)"
    )
