"""The page in a real browser: every tab, sorting, filters, no fault on the console.

Needs Chromium and its driver (Debian: chromium, chromium-driver); without them these tests skip.
"""

from __future__ import annotations

import json
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import gptasks
from made_runs import answers, made_run
from scipy.stats import binomtest

from gptasks.compare import compare_runs
from gptasks.dashboard.serving import Followed, server

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium: apt-get install chromium chromium-driver"
)

DRAWN = "[...document.querySelectorAll('.plot')].every((one) => one.querySelector('svg'))"

TABS = ("leaderboard", "curves", "scores", "examples", "pairs", "data", "configuration")

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1200,900",
)  # fmt: skip

SENTENCES = [
    ("the cat sat on the mat", "the cat sat on a mat"),
    ("a dog ran home", "the dog ran to its home"),
    ("it rains", "it rains"),
]
TAGGED = [
    (["B-PER", "O", "B-LOC"], ["B-PER", "O", "B-LOC"]),
    (["O", "O", "O"], ["O", "B-LOC", "I-LOC"]),
    (["B-LOC", "O"], ["O", "O"]),
]
EVIL = "<img src=x onerror=\"document.title='broken into'\">"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a profile of its own and no network but this machine."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs of a sentiment, two of tagged words, two that write, and one that goes on."""
    folder = tmp_path_factory.mktemp("runs")
    inputs = [f"film number {n} {EVIL if n == 1 else '好'}" for n in range(40)]
    slices = [{"genre": "drama" if n % 3 else "comedy"} for n in range(40)]
    for n in range(4):
        right = "".join(random.Random(f"run {n}").choices("+++++-" if n % 2 else "++-", k=40))
        run = made_run(
            folder / f"run{n}",
            answers(right),
            metrics=["accuracy", "f1_macro", "log_loss", "ece"],
            strategy=("lora", "head")[n % 2],
            seed=n // 2,
            inputs=inputs,
            slices=slices,
            baselines={"majority": [("good", one) for _, one in answers(right)]},
        )
        points = [{"step": s, "train/loss": 2 / (s + 1), "time/seconds": s} for s in range(9)]
        (run / "history.jsonl").write_text("\n".join(map(json.dumps, points)), "utf-8")
    for n, given in enumerate((TAGGED, [(meant, meant) for _, meant in TAGGED])):
        made_run(
            folder / f"tags{n}", given, task="names", labels=("O",), metrics=["entity_f1"],
            strategy=("lora", "head")[n],
        )  # fmt: skip
    for n, given in enumerate((SENTENCES, [(meant, meant) for _, meant in SENTENCES])):
        made_run(
            folder / f"texts{n}", given, task="write", labels=(), metrics=["rougeL"],
            strategy=("lora", "head")[n],
        )  # fmt: skip
    (folder / "going").mkdir()
    shutil.copy(folder / "run0/config.yaml", folder / "going")
    return folder


@pytest.fixture(scope="module")
def report(runs: Path) -> Path:
    """The page of these runs."""
    assert gptasks("compare", str(runs), "--html", str(runs.parent / "report.html")).code == 0
    return runs.parent / "report.html"


class Page:
    """A page in the browser, asked as its reader looks at it."""

    def __init__(self, browser: Any, address: str, **state: str) -> None:
        self.browser = browser
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(address + "#" + "&".join(f"{key}={value}" for key, value in state.items()))
        self.until("document.documentElement.dataset.ready")

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(script, *given)

    def until(self, condition: str, seconds: float = 20) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self.browser, seconds, poll_frequency=0.02)
        return waiting.until(lambda _: self.run(f"return {condition}"), condition)

    def open(self, tab: str) -> None:
        self.run(f"document.getElementById('tab-{tab}').click()")
        self.until(f"document.getElementById('view').dataset.tab === '{tab}'")

    def text(self, selector: str = "#view") -> str:
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def column(self, caption: str, number: int) -> list[str]:
        return self.run(
            "const table = [...document.querySelectorAll('table')]"
            ".find((one) => one.caption.innerText.includes(arguments[0]));"
            "return [...table.tBodies[0].rows].map((row) => row.cells[arguments[1]].innerText)",
            *(caption, number),
        )

    def sort(self, caption: str, name: str) -> None:
        self.run(
            "const table = [...document.querySelectorAll('table')]"
            ".find((one) => one.caption.innerText.includes(arguments[0]));"
            "[...table.tHead.querySelectorAll('button')]"
            ".find((one) => one.innerText === arguments[1]).click()",
            *(caption, name),
        )

    def set(self, label: str, value: str) -> None:
        """Choose in a menu, or type into a field."""
        self.run(
            "const control = [...document.querySelectorAll('label.control')]"
            ".find((one) => one.firstChild.textContent === arguments[0]).lastChild;"
            "control.value = arguments[1];"
            "control.dispatchEvent(new Event('input'));"
            "control.dispatchEvent(new Event('change'))",
            *(label, value),
        )

    def faults(self) -> list[str]:
        return [line["message"] for line in self.browser.get_log("browser")]


def opened(browser: Any, report: Path, **state: str) -> Page:
    return Page(browser, report.as_uri(), **state)


@pytest.mark.parametrize("task", ["toy", "names", "write"])
def test_every_tab_opens_without_a_fault(browser: Any, report: Path, task: str) -> None:
    page = opened(browser, report, task=task)
    for tab in TABS:
        page.open(tab)
        assert "can't be shown" not in page.text()
        assert len(page.text()) > 40
        if page.run("return document.querySelector('.plot') !== null"):
            page.until(DRAWN)
    assert page.faults() == []
    assert browser.title == "gptasks: runs compared"  # no text became part of the page


def test_the_leaderboard_sorts_and_filters(browser: Any, report: Path) -> None:
    page = opened(browser, report)
    table = "Test scores with 95%"
    assert "lora" in page.column(table, 1)
    page.sort(table, "strategy")
    names = page.column(table, 1)
    assert names[:4] == sorted(names[:4])
    page.sort(table, "toy accuracy")
    down = [float(one.split()[0].lstrip("★ ")) for one in page.column(table, 2) if one[0].isdigit()]
    page.sort(table, "toy accuracy")
    up = [float(one.split()[0].lstrip("★ ")) for one in page.column(table, 2) if one[0].isdigit()]
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert len(set(up)) > 1
    page.set("Filter", "head")
    page.until("document.querySelector('tbody').rows.length === 1")
    assert page.column(table, 1) == ["head"]
    assert "find=head" in browser.current_url


def test_a_link_leads_to_the_same_view(browser: Any, report: Path, runs: Path) -> None:
    page = opened(browser, report, tab="scores", a=str(runs / "run2"))
    assert "run2" in page.text()
    assert page.column("Test scores by genre", 0) == ["comedy", "drama"]
    assert page.column("Precision, recall", 0) == ["bad", "good"]
    label = page.run("return document.querySelector('.plot').getAttribute('aria-label')")
    assert label.startswith("Share of each true label's rows by what was predicted")


def test_the_error_browser_finds_rows(browser: Any, report: Path, runs: Path) -> None:
    page = opened(browser, report, tab="examples", a=str(runs / "run1"))
    shown = "document.querySelectorAll('.example').length"
    page.until(f"{shown} === 25")
    assert page.text("#view").count("✗") < 25
    page.set("Outcome", "wrong")
    wrong = page.run(f"return {shown}")
    assert 0 < wrong < 25
    assert page.text().count("✗") == wrong
    page.set("genre", "comedy")
    assert 0 < page.run(f"return {shown}") < wrong
    page.set("genre", "")
    page.set("Outcome", "")
    page.set("Search", "onerror")  # what would be a tag is a text
    page.until(f"{shown} === 1")
    assert EVIL in page.text()
    page.run("document.querySelector('.example > button').click()")
    page.until("document.querySelectorAll('.example dl').length === 2")
    assert all(f"run{n}" in page.text(".example > dl:last-child") for n in range(4))


def test_fixed_and_broken_add_up(browser: Any, report: Path, runs: Path) -> None:
    page = opened(browser, report, tab="pairs", a=str(runs / "run0"), b=str(runs / "run1"))
    told = [
        [line["prediction"] == line["reference"] for line in map(json.loads, lines)]
        for run in ("run0", "run1")
        for lines in [(runs / run / "predictions/test.jsonl").read_text("utf-8").splitlines()]
    ]
    fixed = sum(b and not a for a, b in zip(*told, strict=True))
    broke = sum(a and not b for a, b in zip(*told, strict=True))
    assert fixed
    assert broke
    assert f"B fixes {fixed} and breaks {broke} of 40 rows." in page.text()
    assert page.text().count("✓") == page.text().count("✗") == fixed
    page.run("[...document.querySelectorAll('button')].find((b) => b.innerText === 'Swap').click()")
    page.until(f"document.body.innerText.includes('B fixes {broke} and breaks {fixed}')")


@pytest.mark.parametrize(
    ("task", "told", "fixed"),
    [
        ("toy", "of 2 seeds of A's, and of 2 of B's", ""),
        ("write", "rougeL: B is better by", "B fixes 2 and breaks 0 of 3 rows."),
        # A found a name in a sentence without one; by itself such a sentence has no F1
        ("names", "entity_f1: B is better by", "B fixes 2 and breaks 0 of 3 rows."),
    ],
)
def test_what_is_told_of_two_runs_is_of_their_task(
    browser: Any, report: Path, runs: Path, task: str, told: str, fixed: str
) -> None:
    names = {"toy": "run", "write": "texts", "names": "tags"}
    a, b = (str(runs / f"{names[task]}{n}") for n in range(2))
    page = opened(browser, report, tab="pairs", task=task, a=a, b=b)
    assert told in page.text()
    assert fixed in page.text()
    assert page.text().count("Holm's correction") == 1


def test_the_sign_test_is_exact(browser: Any, report: Path, runs: Path) -> None:
    a, b = str(runs / "run1"), str(runs / "run3")  # two seeds
    page = opened(browser, report, tab="pairs", a=a, b=b)
    fixed, broke = (
        int(page.text().split(word)[1].split(")")[0]) for word in ("better (", "worse (")
    )
    p = binomtest(fixed, fixed + broke).pvalue
    assert f"A sign test of fixed against broken rows gives p {p:.4f}." in page.text()


def test_what_was_chosen_for_another_task_hides_no_row(browser: Any, report: Path) -> None:
    there = {"tab": "examples", "task": "toy"}
    page = opened(browser, report, true="positive", said="O", **there, **{"c.genre": "horror"})
    page.until("document.querySelectorAll('.example').length === 25")
    menus = "[...document.querySelectorAll('.controls select')]"
    assert page.run(f"return {menus}.every((one) => one.selectedIndex >= 0)")


def test_it_is_used_by_the_keyboard(browser: Any, report: Path) -> None:
    def press(key: str) -> None:
        page.run(
            "document.activeElement.dispatchEvent("
            "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))",
            key,
        )

    page = opened(browser, report, tab="curves")
    page.run("document.getElementById('tab-curves').focus()")
    for key, tab in (
        ("End", "configuration"),
        ("ArrowRight", "leaderboard"),
        ("ArrowLeft", TABS[-1]),
    ):
        press(key)
        page.until(f"document.getElementById('view').dataset.tab === '{tab}'")
        assert page.run("return document.activeElement.id") == f"tab-{tab}"
    page.run("history.go(-3)")
    page.until("document.getElementById('view').dataset.tab === 'curves'")
    page.run("document.querySelectorAll('select')[2].focus()")
    page.set("Against", "seconds")  # draws the view anew
    page.until("document.querySelector('.plot').ariaLabel.includes('against seconds')")
    assert page.run("return document.activeElement.value") == "seconds"


def test_a_phone_has_no_page_wider_than_itself(browser: Any, report: Path) -> None:
    screen = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        page = opened(browser, report, task="toy")
        for tab in TABS:
            page.open(tab)
            page.until(DRAWN)
            assert page.run("return document.documentElement.scrollWidth") <= 390, tab
        page.open("leaderboard")
        page.until(DRAWN)
        heads, edges = "document.querySelectorAll('table')[0].querySelectorAll('thead th')", []
        for n in range(2):  # the name of a configuration, and its first score
            edges.append(page.run(f"return {heads}[{n}].getBoundingClientRect().right"))
        assert edges[0] < edges[1] <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_colours_follow_the_system_and_the_button(browser: Any, report: Path) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    page = opened(browser, report)
    light = page.run(f"return {colour}")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    try:
        page.until(f"{colour} !== '{light}'")
        page.run("document.getElementById('theme').click()")
        assert page.run(f"return {colour}") == light
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        page.run("localStorage.clear()")


def test_every_control_has_a_name(browser: Any, report: Path) -> None:
    page = opened(browser, report, task="toy")
    for tab in TABS:
        page.open(tab)
        nameless = page.run(
            "return [...document.querySelectorAll('button, select, input, [role=img]')]"
            ".filter((one) => !(one.textContent || one.labels?.length || one.ariaLabel))"
            ".map((one) => one.outerHTML)"
        )
        assert nameless == [], tab


def test_a_page_that_is_served_shows_what_is_new(browser: Any, tmp_path: Path) -> None:
    made_run(tmp_path / "runs/a", answers("++-"))
    followed = Followed([str(tmp_path / "runs")], compare_runs, rows=10, texts=True)
    with server(followed, title="Mine", host="127.0.0.1", port=0) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            page = Page(browser, f"http://127.0.0.1:{found.server_address[1]}/")
            assert "1 run of 1 task" in page.text("#summary")
            made_run(tmp_path / "runs/b", answers("+++"), strategy="head")
            page.until("document.getElementById('summary').innerText.startsWith('2 runs')")
            page.until("document.getElementById('view').innerText.includes('head')")
            page.open("scores")
            page.until(DRAWN)
            assert page.faults() == []
            (tmp_path / "runs").rename(tmp_path / "moved")
            page.until("document.getElementById('summary').innerText.includes('does not exist')")
        finally:
            browser.get("about:blank")
            found.shutdown()
            thread.join()
