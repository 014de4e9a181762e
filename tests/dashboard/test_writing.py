"""The page as a file: nothing of the network in it, nothing of a text gets out of its block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import gptasks
from made_runs import answers, made_run
from pages import blocks_of

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \ud800 \u2028 <!-- {{"


@pytest.fixture
def run(tmp_path: Path) -> str:
    """A run whose texts would do harm."""
    return str(made_run(tmp_path / "run", answers("+++-"), inputs=[NASTY] * 4, task="<b>toy</b>"))


def test_compare_writes_one_file(run: str) -> None:
    done = gptasks("compare", run, "--html", "out/report.html", "--title", "Mine & <yours>")
    assert done.code == 0
    assert re.search(r"^out/report\.html: 1 run, \d\.\d MB$", done.err, re.MULTILINE)
    assert "<b>toy</b> accuracy" in done.out  # the table is shown as ever
    text = Path("out/report.html").read_text("utf-8")
    assert text.count("<title>Mine &amp; &lt;yours&gt;</title>") == 1
    assert blocks_of(text)["head"]["runs"][0]["task"] == "<b>toy</b>"
    assert [p.name for p in Path("out").iterdir()] == ["report.html"]


def test_making_a_page_tells_how_far_it_is(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptasks.progress.EVERY", -1)
    done = gptasks("compare", run, "--html", "report.html")
    assert re.findall(r"making the page: (\d+)%", done.err) == ["25", "50", "75", "100"]


def test_texts_stay_in_their_blocks(run: str) -> None:
    assert gptasks("compare", run, "--html", "report.html").code == 0
    text = Path("report.html").read_text("utf-8")
    assert "alert(" not in text
    (rows,) = (block for name, block in blocks_of(text).items() if name.startswith("rows-"))
    assert rows["inputs"][0] == NASTY


def test_the_page_asks_for_nothing_from_elsewhere(run: str) -> None:
    assert gptasks("compare", run, "--html", "report.html").code == 0
    text = Path("report.html").read_text("utf-8")
    assert "default-src 'none'" in text
    assert re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"(?!data:)", text) == []


def test_a_page_is_written_anew_and_nothing_else_is(run: str) -> None:
    for _ in range(2):
        assert gptasks("compare", run, "--html", "report.html").code == 0
    Path("mine.html").write_text("<p>mine</p>", "utf-8")
    done = gptasks("compare", run, "--html", "mine.html")
    assert (done.code, done.faults) == (2, [
        "gptasks: --html mine.html exists and is no page of gptasks; give another name, or "
        "remove it."
    ])  # fmt: skip
    assert Path("mine.html").read_text("utf-8") == "<p>mine</p>"


def test_what_can_t_be_written_is_told(run: str) -> None:
    Path("folder").mkdir()
    Path("file").write_text("", "utf-8")
    done = [
        gptasks("compare", run, "--html", place).faults for place in ("folder", "file/report.html")
    ]
    assert done == [
        ["gptasks: --html folder is a folder; give a file in it, as folder/report.html."],
        ["gptasks: --html file/report.html can't be written: File exists."],
    ]
    assert gptasks("compare", run, "--html", "r.html", "--rows", "0").faults == [
        "gptasks: compare: --rows 0 shows none; give 1 or more."
    ]


def test_the_same_runs_make_the_same_page(run: str) -> None:
    for name in ("a.html", "b.html"):
        assert gptasks("compare", run, "--html", name).code == 0
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()
