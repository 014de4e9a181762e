"""Python code that comes with a backbone runs where it was asked for, each time, and never else."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import gptasks
from small_runs import adapter, configured, run, write_reviews
from tiny_models import CPU, backbone

from gptasks import api
from gptasks.errors import BackboneError, RunError
from gptasks.options import BackboneOptions
from gptasks.pretrained import load_backbone
from gptasks.verification import Verifier

CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaModel
from transformers.models.llama.modeling_llama import LlamaRMSNorm

with Path({ran!r}).open("a") as file:
    file.write("ran ")


class TheirConfig(LlamaConfig):
    model_type = "theirs"


class TheirNorm(LlamaRMSNorm):
    def forward(self, states):
        return super().forward(states) * 2


class TheirModel(LlamaModel):
    config_class = TheirConfig

    def __init__(self, config):
        super().__init__(config)
        self.norm = TheirNorm(config.hidden_size, config.rms_norm_eps)
        self.post_init()
"""

RISK = (
    "Python code that comes with it is run if there is any, and can do whatever you can: read, "
    "change, delete and send your files; trust only code that you have read"
)


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that the code writes to when it runs; what transformers keeps of it is forgotten."""
    place = tmp_path / "modules"
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(place))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path / "ran"
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, ran: Path) -> Path:
    """A backbone of an architecture that only its own code knows."""
    path = tmp_path / "theirs"
    tiny = backbone()
    tiny.model.save_pretrained(path)
    tiny.tokenizer.save(path)
    (path / "code_of_theirs.py").write_text(CODE.format(ran=str(ran)))
    parts = {"AutoConfig": "TheirConfig", "AutoModel": "TheirModel"}
    named = {part: f"code_of_theirs.{name}" for part, name in parts.items()}
    change(path, model_type="theirs", architectures=["TheirModel"], auto_map=named)
    return path


def change(folder: Path, **values: Any) -> None:
    place = folder / "config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **values}))


def opened(folder: Path, **options: Any) -> Any:
    told = BackboneOptions(path=str(folder), **options)
    return load_backbone(told, "theirs", dtype=torch.float32, device=CPU)


def test_unasked_the_code_does_not_run_and_one_line_says_what_to_do(folder: Path, ran: Path):
    with pytest.raises(
        BackboneError,
        match=r"^backbone 'theirs' needs Python code that comes with it and is not run unasked: it "
        r"can do whatever you can\. Read its \.py files in .*/theirs, and if you trust them set "
        r"backbone\.trust_remote_code=true\.$",
    ):
        opened(folder)
    assert not ran.exists()


def test_where_transformers_has_the_architecture_its_own_class_is_taken(
    folder: Path, ran: Path, caplog: pytest.LogCaptureFixture
):
    change(folder, model_type="llama")
    caplog.set_level(logging.INFO, "gptasks")
    assert type(opened(folder).model).__name__ == "LlamaModel"
    assert caplog.messages == [
        "backbone theirs: Python code that comes with it is not run; transformers' own "
        "LlamaForCausalLM is taken"
    ]
    assert not ran.exists()


def test_asked_for_it_runs_after_a_warning(
    folder: Path, ran: Path, caplog: pytest.LogCaptureFixture
):
    found = opened(folder, trust_remote_code=True)
    assert type(found.model).__name__ == "TheirModel"
    assert ran.read_text().startswith("ran")
    assert [(r.levelname, r.message) for r in caplog.records if r.name.startswith("gptasks")] == [
        ("WARNING", f"backbone theirs: {RISK}")
    ]
    with torch.inference_mode():  # twice what a Llama of these weights says
        ids = torch.tensor([[1, 2, 3]])
        states = found.model(ids).last_hidden_state
        assert torch.allclose(states, 2 * backbone().model(ids).last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("name", ["lora", "head"])
def test_a_run_is_trained_with_the_code_and_asks_again_when_it_is_opened(
    name: str, folder: Path, ran: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    data = write_reviews(tmp_path / "reviews.csv", rows=60)
    strategy = ("strategy=head",) if name == "head" else adapter("lora")
    finished = run(
        data, f"backbone={folder}", "backbone.trust_remote_code=true", *strategy, "run=RUN"
    )
    assert caplog.messages.count(f"backbone theirs: {RISK}") == 1
    assert (finished / "model" / "code_of_theirs.py").is_file()
    ran.unlink()

    fault = (
        f"the model in {finished / 'model'} needs Python code that lies there with it and is not "
        "run unasked: it can do whatever you can. Read its .py files, and if you trust them give "
        "--trust-remote-code, or gptasks.load(RUN, trust_remote_code=True)."
    )
    done = gptasks("predict", "RUN", "the film was great")
    assert (done.code, done.out, done.err) == (2, "", f"gptasks: {fault}\n")
    with pytest.raises(RunError) as caught:
        api.load("RUN").predict(["the film was great"])
    assert str(caught.value) == fault
    assert not ran.exists()

    checks = {check.name: check.state for check in Verifier().checks(finished)}
    assert checks["truncation"] == "ok"  # a tokenizer needs no code of theirs
    assert not ran.exists()

    done = gptasks("predict", "RUN", "the film was great", "--trust-remote-code")
    assert done.code == 0
    assert done.err == f"warning: the model in {finished / 'model'}: {RISK}\n"
    trusted = api.load("RUN", trust_remote_code=True)
    (told,) = trusted.predict(["the film was great"])
    assert json.loads(done.out)["scores"] == told.scores
    assert type(trusted.model.backbone.model).__name__ == "TheirModel"


def test_who_trains_with_the_code_may_predict_with_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = write_reviews(tmp_path / "reviews.csv", rows=60)
    config = configured(data, f"backbone={folder}", "backbone.trust_remote_code=true",
                        "strategy=head")  # fmt: skip
    monkeypatch.setattr(api, "compose", lambda words: config)
    assert len(api.train([]).predict(["the film was great"])) == 1
