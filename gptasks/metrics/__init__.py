"""Scores of predictions against references, by name; the metrics themselves load when needed.

Importing this module, and asking for names, loads neither numpy nor evaluate: configurations are
checked with it before anything heavy. Every metric is computed on the whole set, never as a mean
over batches, and on the same resamples as all the others, so that their intervals can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gptasks.errors import ConfigError, DataError, PluginError, listing, suggest

if TYPE_CHECKING:
    from gptasks.metrics.base import Measure, Metric
    from gptasks.task import Prediction

_CLASSES = {
    "accuracy": ("gptasks.metrics.classification", "Accuracy"),
    "f1_macro": ("gptasks.metrics.classification", "F1Macro"),
    "f1_weighted": ("gptasks.metrics.classification", "F1Weighted"),
    "matthews": ("gptasks.metrics.classification", "Matthews"),
    "auroc": ("gptasks.metrics.probability", "AUROC"),
    "log_loss": ("gptasks.metrics.probability", "LogLoss"),
    "ece": ("gptasks.metrics.probability", "ECE"),
    "entity_precision": ("gptasks.metrics.tagging", "EntityPrecision"),
    "entity_recall": ("gptasks.metrics.tagging", "EntityRecall"),
    "entity_f1": ("gptasks.metrics.tagging", "EntityF1"),
    "entity_precision_conll": ("gptasks.metrics.tagging", "EntityPrecisionConll"),
    "entity_recall_conll": ("gptasks.metrics.tagging", "EntityRecallConll"),
    "entity_f1_conll": ("gptasks.metrics.tagging", "EntityF1Conll"),
    "token_accuracy": ("gptasks.metrics.tagging", "TokenAccuracy"),
    "rouge1": ("gptasks.metrics.overlap", "Rouge1"),
    "rouge2": ("gptasks.metrics.overlap", "Rouge2"),
    "rougeL": ("gptasks.metrics.overlap", "RougeL"),
    "rougeLsum": ("gptasks.metrics.overlap", "RougeLsum"),
}
_ANSWERS = {
    "gptasks.metrics.classification": "label",
    "gptasks.metrics.probability": "label",
    "gptasks.metrics.tagging": "tags",
    "gptasks.metrics.overlap": "text",
}
_LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
_BETTER = "is_better_higher"

LOSS = "loss"
"""The mean loss of a target on validation, which may choose the best model; it is no metric of
predictions, so it is not reported."""

NAMES: tuple[str, ...] = tuple(_CLASSES)
"""The metrics of this package."""


def names_for(answer: str, *, extra: Mapping[str, type[Metric]] | None = None) -> list[str]:
    """The metrics that score predictions of this kind: `label`, `tags` or `text`.

    extra: metrics of plugins, by name.
    """
    own = [name for name, (module, _) in _CLASSES.items() if _ANSWERS[module] == answer]
    return own + [name for name, metric in (extra or {}).items() if metric.answer == answer]


@dataclass(frozen=True)
class Score:
    """What one metric says of one set of predictions."""

    value: float
    """The metric on all examples; not a number where it is undefined."""

    low: float
    """Lower end of the 95% percentile-bootstrap interval; not a number where there is none."""

    high: float
    """Upper end of that interval."""

    n: int
    """Number of examples."""

    signature: str
    """What was computed: scores may be compared where their signatures are equal."""

    is_better_higher: bool = True
    """Whether a higher value is the better one."""

    def as_json(self) -> dict[str, Any]:
        """These fields, with None for what is not a number."""
        return {name: _finite(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Score:
        """The score that `as_json` wrote. Raises DataError if a field is missing."""
        missing = [field.name for field in fields(cls) if field.name not in {_BETTER, *values}]
        if missing:
            raise DataError(
                f"a score lacks {listing(missing)} (it has: {listing(values)}); "
                "write it anew with `gptasks evaluate`"
            )
        value, low, high = (
            math.nan if values[name] is None else float(values[name])
            for name in ("value", "low", "high")
        )
        signature = str(values["signature"])
        by_name = signature.partition("|")[0] not in _LOWER_IS_BETTER  # before scores said it
        return cls(
            value, low, high, int(values["n"]), signature, bool(values.get(_BETTER, by_name))
        )


def check_names(
    names: Sequence[str], where: str, *, extra: Mapping[str, type[Metric]] | None = None
) -> None:
    """Raise ConfigError, naming all of them, if some of `names` are no metrics.

    where: the key the names stand under, for the message. extra: metrics of plugins, by name.
    """
    if isinstance(names, str):
        raise ConfigError(f"{where} must be a list of metrics; got {names!r}, write [{names}]")
    known = (*NAMES, *(extra or ()))
    unknown = [name for name in names if name not in known]
    if unknown:
        faults = " ".join(
            f"no metric {str(name)!r}{suggest(name, known) or '.'}" for name in unknown
        )
        raise ConfigError(f"{where}: {faults} There are: {listing(known, limit=40)}")


def is_better_higher(name: str, *, extra: Mapping[str, type[Metric]] | None = None) -> bool:
    """Whether a higher value of this metric is the better one. Raises ConfigError as above."""
    if name == LOSS:
        return False
    if name in NAMES:
        return name not in _LOWER_IS_BETTER
    return metric_class(name, extra=extra).is_better_higher


def metric_class(name: str, *, extra: Mapping[str, type[Metric]] | None = None) -> type[Metric]:
    """The `evaluate.Metric` of this name; the first call imports evaluate.

    extra: metrics of plugins, by name, as the registry collected them; nothing registers here.
    Raises ConfigError for an unknown name.
    """
    if name in _CLASSES:
        module, attribute = _CLASSES[name]
        return getattr(import_module(module), attribute)
    if extra and name in extra:
        return extra[name]
    check_names([name], "the metrics", extra=extra)
    raise AssertionError(name)


def score_all(
    names: Sequence[str],
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    labels: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
    extra: Mapping[str, type[Metric]] | None = None,
) -> dict[str, Score]:
    """Each named metric on all examples, with its interval, in the order of `names`.

    labels: the classes, in the model's order; empty for a task without classes.
    seed, resamples: examples are drawn with replacement `resamples` times, the same draws for
    every metric; 0 gives no interval.
    Raises ConfigError for an unknown name; DataError where the examples can't be scored.
    """
    from gptasks.metrics.bootstrap import estimate

    check_names(names, "the metrics", extra=extra)
    metrics = {name: metric_class(name, extra=extra)() for name in names}
    given = _given(predictions, labels)
    measures = {
        name: _prepare(metric, predictions, references, given) for name, metric in metrics.items()
    }
    estimates = estimate(measures, len(references), seed=seed, resamples=resamples)
    return {
        name: Score(
            *estimates[name],
            len(references),
            metric.signature(labels=given["labels"]),
            metric.is_better_higher,
        )
        for name, metric in metrics.items()
    }


def measure(
    name: str,
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    labels: Sequence[str],
    *,
    extra: Mapping[str, type[Metric]] | None = None,
) -> Measure:
    """The metric on these n examples as a function of weights: (n, R) to (R,) values."""
    metric = metric_class(name, extra=extra)()
    return _prepare(metric, predictions, references, _given(predictions, labels))


def point(
    name: str,
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    labels: Sequence[str],
    *,
    extra: Mapping[str, type[Metric]] | None = None,
) -> float:
    """The value that `score_all` would give, without its interval: quick, for validation."""
    scores = score_all([name], predictions, references, labels, resamples=0, extra=extra)
    return scores[name].value


def _given(predictions: Sequence[Prediction], labels: Sequence[str]) -> dict[str, Any]:
    scores = [prediction.scores for prediction in predictions]
    return {"scores": scores if any(scores) else None, "labels": list(labels) or None}


def _prepare(
    metric: Metric,
    predictions: Sequence[Prediction],
    references: Sequence[Any],
    given: Mapping[str, Any],
) -> Measure:
    unknown = [name for name in metric.inputs if name not in given]
    if unknown:
        raise PluginError(
            f"metric '{metric.name}' asks for the input {listing(unknown)}; "
            f"there are: {listing(given)}"
        )
    values = [prediction.value for prediction in predictions]
    metric.check_lengths({"predictions": values, "references": references})
    return metric.prepare(values, references, **{name: given[name] for name in metric.inputs})


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
