"""The cards: `README.md` of `model/` and `adapter/`, which hubs show beside a model."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gptasks.config import RunConfig
from gptasks.data.sources import named
from gptasks.metrics import Score
from gptasks.progress import counted
from gptasks.runs import RunFolder, writing
from gptasks.task import Layout

PIPELINES = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForCausalLM": "text-generation",
}
"""The hub's word for what a class of transformers does."""

CUTS = {
    "AutoModelForSequenceClassification": "with `truncation=True` longer texts are cut to that, as "
    "they were when it was trained; without it plain transformers reads on, beyond what it learnt.",
    "AutoModelForTokenClassification": "plain transformers cuts longer texts to that.",
    "AutoModelForCausalLM": "the answer among them. Plain transformers cuts nothing: shorten a "
    "longer text yourself, and not the words around it.",
}
"""What becomes of texts that are longer than the tokens a model reads at once."""

OURS = (
    "No class of plain transformers computes this head: opened as anything but `AutoModel`, the "
    "model would answer wrongly. Open the run it belongs to, by `gptasks.load(RUN)`."
)


def write_cards(folder: RunFolder, config: RunConfig, results: Mapping[str, Any]) -> None:
    """Write the card of the model and, where the run has one, that of its adapter."""
    from gptasks.saved_model import is_plain

    is_whole = is_plain(folder.model)
    for place, is_adapter in ((folder.model, False), (folder.adapter, True)):
        if place.is_dir():
            with writing(place):
                card = model_card(config, results, is_plain=is_whole, is_adapter=is_adapter)
                (place / "README.md").write_text(card, encoding="utf-8")


def model_card(
    config: RunConfig, results: Mapping[str, Any], *, is_plain: bool, is_adapter: bool = False
) -> str:
    """The card in Markdown, metadata first: data, scores with intervals beside the baselines',
    use and limits. It holds no path of this machine and no text of the data.

    results: the content of results.json. is_plain: whether a class of transformers opens the whole
    model, head included. is_adapter: whether it stands beside the adapter.
    """
    layout = config.task.layout() if is_plain else None
    pipeline = PIPELINES.get(layout.auto_class) if layout else None
    library = "peft" if is_adapter else "transformers"
    parts = [
        f"---\n{_metadata(config, results, library if is_plain else 'gptasks', pipeline)}\n---",
        f"# {config.task_name}",
        _origin(config, results, "An adapter for the" if is_adapter else "The"),
        "## Scores\n\n" + "\n".join(_scores(results)),
        "## Data\n\n" + "\n".join(_data(config, results)),
        "## Use\n\n" + (_use_adapter(config, layout) if is_adapter else _use(layout)),
        "## Limits\n\n" + "\n".join(_limits(config, results, layout)),
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(
    config: RunConfig, results: Mapping[str, Any], library: str, pipeline: str | None
) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    found = {name: Score.from_json(score) for name, score in results["metrics"]["test"].items()}
    data = ModelCardData(
        model_name=config.task_name,
        library_name=library,
        pipeline_tag=pipeline,
        base_model=config.backbone.hub if config.backbone.source == "hub" else None,
        tags=["gptasks", f"strategy-{config.strategy_name}"],
        eval_results=[
            EvalResult(
                task_type=pipeline or type(config.task).name,
                dataset_type=config.task_name,
                dataset_name=config.task_name,
                dataset_split="test",
                metric_type=name,
                metric_value=score.value,
                verified=False,
            )
            for name, score in found.items()
            if math.isfinite(score.value)
        ],
    )
    return data.to_yaml().strip()


def _origin(config: RunConfig, results: Mapping[str, Any], what: str) -> str:
    fit, backbone = results["fit"], config.backbone
    source = {"package": backbone.distribution, "hub": backbone.hub}.get(backbone.source)
    named = f"`{config.backbone_name}`" + (f" ({source})" if source else "")
    is_frozen = "trained_parameters" not in fit
    learnt = "with a head fitted" if is_frozen else "fine-tuned"
    cut = f", cut at layer {fit['layer']} of {fit['layers']}" if "layer" in fit else ""
    adapter = config.resolved["strategy"].get("adapter", "lora")
    kind = "" if adapter == "lora" else f" with `strategy.adapter={adapter}`"
    return (
        f"{what} GPT {named}{cut}, {learnt} for the task `{config.task_name}` "
        f"({type(config.task).name}) by gptasks {results['versions']['gptasks']}, "
        f"`strategy={config.strategy_name}`{kind}, seed {config.run.seed}."
    )


def _scores(results: Mapping[str, Any]) -> Iterator[str]:
    columns = {"this model": results["metrics"]["test"], **results["baselines"]}
    yield _line(["test", *columns])
    yield _line(["---"] * (len(columns) + 1))
    for name, score in results["metrics"]["test"].items():
        label = name if Score.from_json(score).is_better_higher else f"{name} (lower is better)"
        yield _line([label, *(_cell(found.get(name)) for found in columns.values())])
    yield ""
    test = results["metrics"]["test"].values()
    has_intervals = any(score["low"] is not None for score in test)
    note = "; in brackets 95% bootstrap intervals over them" if has_intervals else ""
    yield f"On {counted(results['data']['test']['n'], 'test row')}, which chose nothing{note}."


def _data(config: RunConfig, results: Mapping[str, Any]) -> Iterator[str]:
    data = config.task.data
    licence = f" Licence: {data.licence}." if data.licence else ""
    yield f"Source: {named(data, '`')}.{licence} Rows of this run:"
    yield ""
    yield _line(["split", "rows", "SHA-256"])
    yield _line(["---"] * 3)
    for name, split in results["data"].items():
        yield _line([name, f"{split['n']:,}", f"`{split['sha256'][:16]}…`"])


def _use(layout: Layout | None) -> str:
    pipeline = PIPELINES.get(layout.auto_class) if layout else None
    if layout is None or pipeline is None:
        return OURS
    example = json.dumps(layout.example, ensure_ascii=False)
    given = ", ".join(filter(None, [example, layout.call]))
    return (
        "```python\nfrom transformers import pipeline\n\n"
        f'answer = pipeline("{pipeline}", model="THIS FOLDER OR REPOSITORY")\n'
        f"print(answer({given}))\n```" + (f"\n\n{layout.note}" if layout.note else "")
    )


def _use_adapter(config: RunConfig, layout: Layout | None) -> str:
    if layout is None:
        return OURS
    names = f"AutoConfig, {layout.auto_class}, AutoTokenizer"
    backbone = (config.backbone.source == "hub" and config.backbone.hub) or "THE BACKBONE'S FOLDER"
    return (
        f"```python\nfrom peft import PeftModel\nfrom transformers import {names}\n\n"
        'here = "THIS FOLDER OR REPOSITORY"\n'
        "tokenizer = AutoTokenizer.from_pretrained(here)\n"
        "config = AutoConfig.from_pretrained(here)\n"
        f'base = {layout.auto_class}.from_pretrained("{backbone}", config=config)\n'
        "model = PeftModel.from_pretrained(base, here)\n```\n\n"
        "The configuration cuts the backbone at the layer that the adapter was made for; the head "
        "is among the adapter's weights. transformers reports weights that it left out, those of "
        "the layers above, and a new head: both are meant."
    )


def _limits(config: RunConfig, results: Mapping[str, Any], layout: Layout | None) -> Iterator[str]:
    task = config.task
    yield (
        "- Meant for texts such as those it was trained on. Other languages, kinds of text and "
        "times were not tested; the scores above say nothing of them."
    )
    if results["labels"]:
        yield (
            f"- It always answers with one of {', '.join(f'`{x}`' for x in results['labels'])}, "
            "also where none fits."
        )
    cut = CUTS.get(layout.auto_class if layout else "", "longer texts are cut to that.")
    yield f"- It reads {task.max_length} tokens at once; {cut}"
    yield "- It carries the biases of its backbone and of its data."


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "undefined"
    interval = "" if score["low"] is None else f" [{score['low']:.3f}, {score['high']:.3f}]"
    return f"{score['value']:.4f}{interval}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
