"""Reads the overrides of a command line: every one is checked before Hydra sees any.

Each fault becomes one line, and all faults are reported together. What passes is handed on as
typed values, so that Hydra is given only what it will accept.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gptasks.config import grammar
from gptasks.config.file import ConfigFile
from gptasks.config.locations import at_location
from gptasks.config.sweeps import texts_of
from gptasks.errors import ConfigError, GptasksError, listing
from gptasks.fields import fields_of, members, nested, type_at
from gptasks.options import RunOptions
from gptasks.registry import GROUPS, Choice, Registry
from gptasks.schema import check, without_interpolations

_OVERRIDE = re.compile(
    r"(?P<sign>\+\+|\+|~)?(?P<key>[^=@]*)(?P<package>@[^=]*)?(=(?P<value>.*))?", re.DOTALL
)


_WITHOUT_EFFECT = {
    "hydra.run": "run=DIR sets the run folder",
    "hydra.run.dir": "run=DIR sets the run folder",
    "hydra.sweep": "each job of a sweep has a folder of its own in runs/",
    "hydra.sweep.dir": "each job of a sweep has a folder of its own in runs/",
    "hydra.sweep.subdir": "each job of a sweep has a folder of its own in runs/",
    "hydra.output_subdir": "the run folder keeps the configuration, in config.yaml",
    "hydra.job.chdir": "a run stays in the current folder",
}
"""Options of Hydra that users know, and what there is instead: Hydra writes nothing here."""


@dataclass(frozen=True)
class Setting:
    """One key and the value it is set to; several values are a sweep over them."""

    key: str
    texts: tuple[str, ...]
    """Each value as it was typed."""

    values: tuple[Any, ...]
    """A `Choice` where the key is a group."""

    @property
    def has_map(self) -> bool:
        """Whether the value is or holds a map, whose keys Hydra's grammar can't quote."""
        return any(_has_map(value) for value in self.values)


@dataclass
class Plan:
    """What a command line asks for, checked."""

    settings: dict[str, Setting] = field(default_factory=dict)
    """By key, in the order given."""

    choices: dict[str, tuple[Choice, ...]] = field(default_factory=dict)
    """What each group is set to, given or by default."""

    hydra: list[str] = field(default_factory=list)
    """Overrides of Hydra's own configuration, as typed."""

    @property
    def typed(self) -> list[str]:
        """The settings as they were typed, where none is a sweep."""
        return [f"{key}={setting.texts[0]}" for key, setting in self.settings.items()]


def read_overrides(
    overrides: Sequence[str],
    registry: Registry,
    usual: Mapping[str, str],
    file: ConfigFile | None = None,
    *,
    sweep: bool,
) -> Plan:
    """The plan that `overrides` make; ConfigError with all their faults, one line each.

    usual: the choice of each group that has one by default. file: what comes before these.
    sweep: whether a key may have several values, as with `--multirun`.
    A `+` or `++` before a key is understood and changes nothing: there are no keys to add.
    """
    reader = _Reader(registry, sweep)
    if file is not None:
        reader.told = file.choices
    reader.read(overrides, usual)
    if reader.faults:
        raise ConfigError(*dict.fromkeys(reader.faults))
    return reader.plan


class _Reader:
    """Works through overrides, noting faults."""

    def __init__(self, registry: Registry, sweep: bool) -> None:
        self.registry = registry
        self.sweep = sweep
        self.plan = Plan()
        self.told: Mapping[str, Choice] = {}  # by a file
        self.faults: list[str] = []
        self.failed: set[str] = set()  # groups without a usable choice: their options wait

    def read(self, overrides: Sequence[str], usual: Mapping[str, str]) -> None:
        pairs: list[tuple[str, str]] = []
        for text in overrides:
            with self.noting():
                pairs += self.split(text)
        for key, text in pairs:
            if key in GROUPS:
                with self.noting():
                    self.group(key, text)
        self.rest(usual)
        for key, text in pairs:
            if key not in GROUPS:
                with self.noting():
                    self.option(key, text)
        place = {key: number for number, (key, _) in enumerate(pairs)}
        settings = sorted(self.plan.settings.items(), key=lambda item: place[item[0]])
        self.plan.settings = dict(settings)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note an error's lines as faults, and go on."""
        try:
            yield
        except GptasksError as error:
            self.faults += error.faults

    def split(self, text: str) -> list[tuple[str, str]]:
        """Key and value of an override; nothing where it is Hydra's own."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(f"{text!r} holds bytes that are no UTF-8") from error
        found = _OVERRIDE.fullmatch(text)
        assert found is not None  # every text fits
        key, value, shown = found["key"].strip(), found["value"], " ".join(text.split("\n"))
        if re.match(r"hydra[./]", key):
            if re.match(r"hydra([./](launcher|sweeper)|\.mode)\b", key):
                raise ConfigError(
                    f"{shown}: {key} can't be changed; -m runs a sweep's jobs one after another"
                )
            if key in _WITHOUT_EFFECT:
                raise ConfigError(f"{shown}: {key} has no effect: {_WITHOUT_EFFECT[key]}")
            self.plan.hydra.append(text)
            return []
        if key in GROUPS and (found["sign"] == "~" or value is None):
            self.failed.add(key)  # said here; it need not be called missing too
        if found["package"] is not None:
            raise ConfigError(f"{shown}: '@' is not understood here; write {key or 'key'}=value")
        if found["sign"] == "~":
            more = f"; take another choice, {key}=…" if key in GROUPS else ""
            raise ConfigError(f"{shown}: nothing can be removed from a configuration{more}")
        if not key:
            raise ConfigError(f"'{shown}' has no key before its '='; write key=value")
        if value is None:
            is_known = key in GROUPS or type_at(RunOptions, key) is not None
            near = "" if is_known or "." in key else self.nearest(key)
            raise ConfigError(
                f"'{key}' has no value; write {key if is_known else 'key'}=value{near}"
            )
        return [(key, value)]

    def group(self, group: str, text: str) -> None:
        known = self.registry.names(group)
        if group in self.failed:
            raise ConfigError(f"{group} is given twice; give it once")
        self.refuse_twice(group, text)
        self.failed.add(group)
        texts = texts_of(group, text, str, sweep=self.sweep, names=known)
        choices = []
        for one in texts:
            with self.noting():
                choices.append(self.pick(group, one))
        if len(choices) == len(texts):
            self.failed.remove(group)
            self.plan.settings[group] = Setting(group, tuple(texts), tuple(choices))
            self.plan.choices[group] = tuple(choices)

    def pick(self, group: str, text: str) -> Choice:
        name = grammar.read(text, str)
        if not name:
            ways = "a name, file, folder or hub id"
            if group not in ("task", "backbone"):
                ways = f"one of {listing(self.registry.names(group))}"
            raise ConfigError(f"{group}= is empty; give it {ways}")
        if name.startswith("{"):
            raise ConfigError(
                f"{group}={text}: {group}= takes a name; options are set one by one, "
                f"as {group}.<option>=<value>"
            )
        if name.startswith("["):
            raise ConfigError(
                f"{group}={text}: a run has one {group}; to run several in turn, "
                f"-m {group}={name.strip('[]')}"
            )
        if name in self.registry.names(group):
            return self.registry.choice(group, name)
        place = at_location(group, name, self.registry)
        return place if place is not None else self.registry.choice(group, name)

    def rest(self, usual: Mapping[str, str]) -> None:
        """Fill in the groups that were not given."""
        for group in GROUPS:
            if group in self.plan.choices or group in self.failed:
                continue
            self.failed.add(group)
            if group in self.told:
                self.plan.choices[group] = (self.told[group],)
                self.failed.remove(group)
                continue
            with self.noting():
                if group not in usual:
                    raise ConfigError(
                        f"{group}=… is missing; `gptasks tasks` lists the "
                        f"{len(self.registry.names(group))} installed"
                    )
                self.plan.choices[group] = (self.registry.choice(group, usual[group]),)
                self.failed.remove(group)

    def option(self, key: str, text: str) -> None:
        group, _, rest = key.partition(".")
        if group in self.failed:
            return
        owners: list[tuple[type, str, str]] = [(RunOptions, key, "")]
        if group in GROUPS:
            owners = [
                (choice.kind, rest, choice.where)
                for choice in self.plan.choices[group]
                if choice.kind is not None
            ]
        for cls, name, where in owners:
            self.refuse_unknown(cls, name, where, key)
        self.refuse_twice(key, text)
        want = type_at(owners[0][0], owners[0][1])
        texts = texts_of(key, text, want, sweep=self.sweep)
        values = [self.value(key, one, want) for one in texts]
        if len(values) > 1 and any(_has_map(value) for value in values):
            raise ConfigError(
                f"{key}: a sweep can't go over maps; put each into a task file and sweep over task="
            )
        for value in values:
            for cls, name, where in owners:
                told = _nest(name, value)
                if where or not _has_map(value):  # the run's own options hold no maps
                    told = without_interpolations(told)
                self.faults += self.registry.faults(cls, told, where)
        self.refuse_overlap(key, values)
        self.plan.settings[key] = Setting(key, tuple(texts), tuple(values))

    def value(self, key: str, text: str, want: Any) -> Any:
        if text == "" and want is not str:
            none = f", or {key}=null for none" if str in members(want) else ""
            raise ConfigError(f"{key}= is empty; give it a value{none}")
        try:
            return grammar.read(text, want)
        except ValueError as error:
            raise ConfigError(f"{key}={text} is no list or map: {error}") from error

    def refuse_twice(self, key: str, text: str) -> None:
        """Raise where the key is set already: one of the two would be ignored."""
        if key in self.plan.settings:
            earlier = ",".join(self.plan.settings[key].texts)
            raise ConfigError(f"{key} is given twice, as '{earlier}' and '{text}'; give it once")

    def refuse_overlap(self, key: str, values: Sequence[Any]) -> None:
        """Raise where a map and a key inside it are both set, in either order."""
        for other, setting in self.plan.settings.items():
            pairs = ((other, setting.values, key), (key, values, other))
            for whole, maps, inner in pairs if other not in GROUPS else ():
                path = inner.removeprefix(f"{whole}.").split(".")
                if inner.startswith(f"{whole}.") and any(_holds(value, path) for value in maps):
                    raise ConfigError(
                        f"{inner} is given twice, by itself and within {whole}; give it once"
                    )

    def refuse_unknown(self, cls: type, name: str, where: str, key: str) -> None:
        """Raise where `cls` has no option of that dotted name."""
        above, _, last = name.rpartition(".")
        if above and type_at(cls, above) is not None and nested(type_at(cls, above)) is None:
            whole = key[: -len(last) - 1]
            raise ConfigError(f"{key} can't be set by itself; give the whole of {whole}")
        if not where and type_at(cls, name) is None:
            raise ConfigError(f"there is no option '{key}'{self.nearest(key)}")
        for fault in check(cls, _nest(name, None), where):  # None: the key matters here alone
            if "has no option" in fault:
                raise ConfigError(fault)

    def nearest(self, key: str) -> str:
        """A suggestion among all keys, or among their last words: `epochs` for trainer.epochs."""
        known = [*GROUPS, *(option.key for option in fields_of(RunOptions))]
        for group, choices in self.plan.choices.items():
            for choice in choices:
                options = fields_of(choice.kind) if choice.kind else []
                known += [f"{group}.{option.key}" for option in options]
        last = {full.rpartition(".")[2]: full for full in reversed(known)}
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        near = near or [last[word] for word in difflib.get_close_matches(key, last, 1, 0.8)]
        return f"; did you mean '{near[0]}'?" if near else ""


def _nest(key: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} of "a.b"."""
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _holds(value: Any, path: Sequence[str]) -> bool:
    """Whether a map, or the maps in it, have a value at that path."""
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _has_map(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_map(item) for item in value)
    return isinstance(value, dict)
