"""What the documentation says is so: keys, hooks, verbs, layers, the files of a run."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from small_runs import small, write_names, write_reviews
from test_layers import LEVELS, PLACES

from gptasks import cli, hookspecs
from gptasks.registry import GROUPS
from gptasks.verbs import VERBS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]

FENCE = re.compile(r"^```(\w*)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[str]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [code for kind, _, code in found if kind == language]


def keys_of_table(page: str, heading: str) -> set[str]:
    """What stands in the first column of the tables below a heading, without its code marks."""
    section = re.split(rf"^##+ {re.escape(heading)}$", text_of(page), flags=re.MULTILINE)[1]
    section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


# -- pages --------------------------------------------------------------------------------


def test_the_page_of_keys_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = "docs/reference/keys.md is stale; write it anew by: python docs/generate.py"
    assert text_of("reference/keys.md") == generate.page(), stale


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if heading:
            assert heading in anchors(target), f"{page.name} links to {link}: no such heading"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_python_block_compiles(page: Path) -> None:
    for code in blocks(page, "python"):
        compile(code, page.name, "exec")


# -- names --------------------------------------------------------------------------------


def test_every_hook_is_documented_with_its_signature() -> None:
    hooks = {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "gptasks_spec")}
    assert hooks
    for name, hook in hooks.items():
        said = f"`{name}{inspect.signature(hook)}`".replace("'", "")
        assert said in text_of("reference/plugins.md")


def test_every_method_of_the_contract_is_documented() -> None:
    from gptasks import Task

    tree = ast.parse(inspect.getsource(Task)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for method in tree.body:
        if isinstance(method, ast.FunctionDef):
            names = [argument.arg for argument in method.args.args[1:]]
            said = f"`{method.name}({', '.join(names)})`"
            kinds = {ast.unparse(decorator) for decorator in method.decorator_list}
            if "property" in kinds:
                assert f"property `{method.name}`" in text_of("reference/tasks.md")
                continue
            if "abstractmethod" in kinds:  # it has no default
                said = f"**{said}**"
            assert f"| {said} |" in text_of("reference/tasks.md")


def test_every_verb_and_its_flags_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    said = text_of("reference/cli.md")
    for verb in VERBS:
        assert f"`{verb}`" in said
        if verb in ("train", "help", "version"):
            continue
        parts = [[verb, "list"], [verb, "check"], [verb, "new"]] if verb == "plugins" else [[verb]]
        for words in parts:
            assert cli.main([*words, "--help"]) == 0
            for flag in re.findall(r"--[a-z-]+", capsys.readouterr().out):
                assert flag == "--help" or f"`{flag}" in said, f"{words} {flag}"


def test_every_check_of_a_plugin_is_documented() -> None:
    from gptasks.testing import CHECKS

    said = text_of("reference/testing.md")
    for name, check in CHECKS.items():
        must = " ".join((inspect.getdoc(check) or "").split("\n\n")[0].split()).rstrip(".")
        assert f"| `{name}` | {must} |" in said


def test_every_flag_of_training_is_documented() -> None:
    from gptasks.config import command

    flags = re.findall(r'"(--?[a-z]+)"', inspect.getsource(command))
    assert "--multirun" in flags
    for flag in flags:
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", text_of("reference/cli.md")), flag


def test_every_environment_variable_of_ours_is_documented() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gptasks").rglob("*.py"))
    variables = set(re.findall(r"\bGPTASKS_[A-Z_]+\b", code)) - {"GPTASKS_CONTRACT"}
    assert {"GPTASKS_CACHE", "GPTASKS_OFFLINE"} <= variables
    assert {name for name in variables if f"`{name}`" not in text_of("reference/cli.md")} == set()


def test_every_yaml_of_ours_is_documented() -> None:
    said = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert "`conf/config.yaml`" in said
    found = [*ROOT.glob("conf/*/*.yaml"), *ROOT.glob("plugins/*/conf/*/*.yaml")]
    assert {path.parent.name for path in found} == set(GROUPS)
    for path in found:
        assert f"`{path.parent.name}={path.stem}`" in said, path


def test_every_metric_is_documented() -> None:
    from gptasks.metrics import NAMES

    assert set(NAMES) <= keys_of_table("reference/run-folder.md", "A score")


def test_every_file_that_the_architecture_names_is_there() -> None:
    named = re.findall(r"`([\w/]+(?:\.py|\.yaml|/))`", text_of("architecture.md"))
    assert "training/session.py" in named
    runs = {"model/", "adapter/", "predictions/", "checkpoints/"}  # in a run folder
    for name in set(named) - runs:
        assert (ROOT / "gptasks" / name).exists() or (ROOT / name).exists(), name


# -- layers -------------------------------------------------------------------------------


def test_the_table_of_layers_is_the_one_that_tests_hold() -> None:
    rows = re.findall(r"^\| (\d) \| (.*) \|$", text_of("architecture.md"), flags=re.MULTILINE)
    told = {name: int(row) for row, names in rows for name in re.findall(r"`(\w+)`", names)}
    present = {name: level for name, level in LEVELS.items() if is_module(name)}
    assert told == present


def test_the_table_of_libraries_is_the_one_that_tests_hold() -> None:
    table = text_of("architecture.md").split("| library | where |\n|---|---|\n")[1]
    rows = [row.strip("| ").split(" | ") for row in table.split("\n\n")[0].splitlines()]
    told = {library: set(re.findall(r"`(\w+)`", places)) for library, places in rows}
    assert told == {library: PLACES[library] for library in told}


def is_module(name: str) -> bool:
    place = ROOT / "gptasks" / name
    return bool(name) and (place.is_dir() or place.with_suffix(".py").is_file())


# -- a run, made by what the pages show ---------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plugins of tasks.md, a small backbone, and runs of both strategies."""
    import torch

    import gptasks
    from gptasks.options import BackboneOptions
    from gptasks.pretrained import load_backbone

    folder = tmp_path_factory.mktemp("docs")
    for _, name, code in FENCE.findall(text_of("reference/tasks.md")):
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(code, encoding="utf-8")
    rows = write_reviews(folder / "labels.csv", 160).read_text(encoding="utf-8")
    stars = rows.replace(",label", ",stars").replace(",good", ",5").replace(",bad", ",1")
    (folder / "reviews.csv").write_text(stars + "so so,3\n", encoding="utf-8")
    options = BackboneOptions(source="random")
    made = load_backbone(options, "tiny", dtype=torch.float32, device=torch.device("cpu"))
    made.model.save_pretrained(folder / "BACKBONE")
    made.tokenizer.save(folder / "BACKBONE")
    common = ["task.data.train=reviews.csv", "backbone=./BACKBONE", "precision=fp32", "limit=60"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GPTASKS_CACHE", str(folder / "cache"))
        patch.delenv("GPTASKS_PLUGINS", raising=False)
        patch.delenv("GPTASKS_BLOCK", raising=False)
        gptasks.train(["task=stars", *common, "trainer.epochs=1", "tracking=jsonl", "run=RUN"])
        long = ["task.label=stars", "task.max_length=16", "strategy=head", "tracking=none"]
        gptasks.train(["task=long_text", *common, *long, "run=HEAD"])
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def test_a_run_folder_holds_what_the_page_says(here: Path) -> None:
    told = keys_of_table("reference/run-folder.md", "What is in it")
    # of an unfinished run, and of other trackers
    aside = {"checkpoints/", "wandb/", "tensorboard/", "mlflow/"}
    found = set()
    for path in (here / "RUN").iterdir():
        inside = sorted(path.iterdir()) if path.name == "predictions" else [path]
        found |= {str(p.relative_to(here / "RUN")) + "/" * p.is_dir() for p in inside}
    assert found == told - aside


def test_a_head_run_has_no_adapter_and_no_curves(here: Path) -> None:
    found = {path.name for path in (here / "HEAD").iterdir()}
    assert found.isdisjoint({"adapter", "history.jsonl", "checkpoints"})


@pytest.mark.parametrize("run", ["RUN", "HEAD"])
def test_every_key_of_the_results_is_documented(here: Path, run: str) -> None:
    results = json.loads((here / run / "results.json").read_text(encoding="utf-8"))
    told = keys_of_table("reference/run-folder.md", "results.json")
    fit = keys_of_table("reference/run-folder.md", "fit")
    score = keys_of_table("reference/run-folder.md", "A score")
    found = set(flat(results))
    assert {key for key in found if key.startswith("fit.")} <= fit
    scores = {key for key in found if key.startswith(("metrics.", "baselines."))}
    assert {key.rpartition(".")[2] for key in scores} <= score
    rest = {key for key in found if not key.startswith(("fit.", "metrics.", "baselines."))}
    above = {"fit", "metrics.<split>.<metric>", "baselines.<baseline>.<metric>"}
    # There where the kind counts something, and where the strategy makes an adapter.
    above |= {"tally.<split>.<count>", "adapter.<file>"}
    assert rest | above == {key for key in told if key.split(".")[0] in results}


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted keys, with <…> where names vary."""
    vary = {
        "metrics": ("split", "metric"),
        "baselines": ("baseline", "metric"),
        "truncation": ("split",),
        "data": ("split",),
        "versions": ("library",),
        "plugins": ("name",),
        "model": ("file",),
        "files": ("file",),
        "adapter": ("file",),
    }
    inner = {"timing.seconds": "step", "fit.best": "metric"}
    for key, value in values.items():
        first, depth = above.split(".")[0] or key, above.count(".")
        name = key
        if above and first in vary and depth < 1 + len(vary[first]):
            name = f"<{vary[first][depth - 1]}>"
        elif above.removesuffix(".") in inner:
            name = f"<{inner[above.removesuffix('.')]}>"
        elif above.endswith("layer_losses."):
            name = "<layer>"
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_curve_is_documented(here: Path) -> None:
    lines = (here / "RUN" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    found = {key for line in lines for key in json.loads(line)}
    found = {re.sub(r"^validation/.*", "validation/<metric>", key) for key in found}
    told = keys_of_table("reference/run-folder.md", "history.jsonl")
    assert {key for key in told if "." not in key} == found


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_field_of_a_prediction_is_documented(here: Path, split: str) -> None:
    lines = (here / "RUN" / "predictions" / f"{split}.jsonl").read_text(encoding="utf-8")
    told = keys_of_table("reference/run-folder.md", "predictions/\\<split>.jsonl")
    for line in lines.splitlines():
        assert set(json.loads(line)) == told


def test_the_plugins_shown_do_what_is_said_of_them(here: Path) -> None:
    import gptasks

    results = gptasks.load("RUN").results
    assert results["labels"] == ["negative", "positive"]
    assert results["data"]["train"]["dropped"] == 1  # the review with three stars
    long = gptasks.load("HEAD")
    tokens = long.results["truncation"]["test"]
    assert tokens["tokens"] > 16 * tokens["rows"]  # texts of several windows, nothing cut away
    assert tokens["tokens_lost"] == 0
    (prediction,) = long.predict(["a text that takes up a good many windows of sixteen tokens"])
    assert sum(prediction.scores.values()) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore")
def test_the_blocks_on_models_tag_and_write(tmp_path: Path) -> None:
    import gptasks

    _, tagging, writing, *_ = blocks(REFERENCE / "models.md", "python")
    names, pairs = write_names(tmp_path / "names.conll"), tmp_path / "pairs.jsonl"
    pair = '{{"source": "text {0}", "target": "title {0}"}}\n'
    pairs.write_text("".join(pair.format(n) for n in range(30)), "utf-8")
    found: dict[str, Any] = {}
    for kind, data, code in (
        ("token_classification", names, tagging),
        ("conditional_generation", pairs, writing),
    ):
        folder = tmp_path / kind
        more = ("trainer.epochs=0", "task.max_length=128", f"run={folder}")
        gptasks.train([*small(data, f"task={kind}", *more)])
        lines = code.rstrip().splitlines()
        lines[-1] = f"answer = {lines[-1]}"
        exec("\n".join(lines).replace("RUN/model", f"{folder}/model"), found)
        if kind == "token_classification":
            (own,) = gptasks.load(folder).predict(["She lives in Bonn"])
            said = {one["index"]: one["entity"] for one in found["answer"]}
            assert [said.get(place, "O") for place in (2, 8, 11, 16)] == own.value  # ends of words
        else:
            (own,) = gptasks.load(folder).predict(["a text"])
            assert found["answer"][0]["generated_text"].strip() == own.value


@pytest.mark.filterwarnings("ignore")
def test_the_blocks_on_models_open_the_run_they_show(here: Path) -> None:
    import torch

    import gptasks

    plain, _, _, ours, adapter, _ = blocks(REFERENCE / "models.md", "python")
    opened: dict[str, Any] = {}
    exec(compile(plain, "models.md", "exec"), opened)
    texts = ["so good a film", "a waste of time"]
    expected = [list(one.scores.values()) for one in gptasks.load("RUN").predict(texts)]
    assert opened["probabilities"].tolist() == [pytest.approx(row, abs=1e-5) for row in expected]
    assert opened["labels"] == [one.value for one in gptasks.load("RUN").predict(texts)]
    exec(compile(ours, "models.md", "exec"), {})
    with_adapter: dict[str, Any] = {}
    exec(compile(adapter, "models.md", "exec"), with_adapter)
    with torch.no_grad():
        logits = with_adapter["model"].eval()(**opened["batch"]).logits
    assert torch.allclose(logits, opened["model"](**opened["batch"]).logits, atol=1e-5)
