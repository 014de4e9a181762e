"""Reads the overrides of a command line: every one is checked before Hydra sees any.

Each fault becomes one line, and all faults are reported together. What passes is handed on as
typed values, so that Hydra is given only what it will accept.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gptasks.config import grammar
from gptasks.config.file import ConfigFile
from gptasks.config.locations import chosen
from gptasks.config.nodes import nest
from gptasks.config.plan import Plan, Setting, has_map
from gptasks.config.seeds import without_seeds
from gptasks.config.sweeps import texts_of
from gptasks.config.together import faults_together
from gptasks.errors import ConfigError, GptasksError, listing
from gptasks.fields import fields_of, members, nested, type_at
from gptasks.options import RunOptions, SweepOptions
from gptasks.registry import GROUPS, Choice, Registry
from gptasks.schema import without_interpolations

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


def read_overrides(
    overrides: Sequence[str],
    registry: Registry,
    usual: Mapping[str, str],
    file: ConfigFile | None = None,
    *,
    sweep: bool,
) -> Plan:
    """The plan that `overrides` make; ConfigError with all faults, theirs and those of the files
    they stand on, one line each.

    usual: the choice of each group that has one by default. file: what comes before these.
    sweep: whether a key may have several values, as with `--multirun`.
    A `+` or `++` before a key is understood and changes nothing: there are no keys to add.
    """
    file = ConfigFile() if file is None else file
    reader = _Reader(registry, sweep, file)
    reader.read(overrides, usual)
    if reader.faults:
        reader.faults += faults_together(reader.plan, file, reader.sound)
        raise ConfigError(*dict.fromkeys(reader.faults))
    return reader.plan


class _Reader:
    """Works through overrides, noting faults."""

    def __init__(self, registry: Registry, sweep: bool, file: ConfigFile) -> None:
        self.registry = registry
        self.sweep = sweep
        self.plan = Plan()
        self.file = file
        self.faults: list[str] = []
        self.failed: set[str] = set()  # groups without a usable choice: their options wait
        self.faulty: set[str] = set()  # groups with a fault of any kind

    @property
    def sound(self) -> set[str]:
        """The groups in which nothing is wrong so far."""
        return set(self.plan.choices) - self.faulty - self.failed

    def read(self, overrides: Sequence[str], usual: Mapping[str, str]) -> None:
        self.note("", self.file.faults.get("", []))
        pairs: list[tuple[str, str]] = []
        for text in overrides:
            with self.noting():
                pairs += self.split(text)
        pairs, self.plan.seeds, faults = without_seeds(pairs)
        self.note("", faults)
        for key, text in pairs:
            if key in GROUPS:
                with self.noting(key):
                    self.group(key, text)
        self.rest(usual)
        for key, text in pairs:
            if key not in GROUPS:
                with self.noting(key.partition(".")[0]):
                    self.option(key, text)
        place = {key: number for number, (key, _) in enumerate(pairs)}
        settings = sorted(self.plan.settings.items(), key=lambda item: place[item[0]])
        self.plan.settings = dict(settings)

    @contextlib.contextmanager
    def noting(self, group: str = "") -> Iterator[None]:
        """Note an error's lines as faults, and go on."""
        try:
            yield
        except GptasksError as error:
            self.note(group, error.faults)

    def note(self, group: str, faults: Sequence[str]) -> None:
        """Note what is wrong with a group, or with the run as a whole ("")."""
        self.faults += faults
        if faults:
            self.faulty.add(group)

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
            own = any(type_at(cls, key) is not None for cls in (RunOptions, SweepOptions))
            is_known = key in GROUPS or own
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
            with self.noting(group):
                choices.append(self.pick(group, one))
        if self.usable(group, choices) and len(choices) == len(texts):
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
        return chosen(group, name, self.registry)

    def usable(self, group: str, choices: Sequence[Choice]) -> bool:
        """Whether the options of all these choices are known; notes what is wrong with them."""
        for choice in choices:
            self.note(group, choice.error.faults if choice.error is not None else [])
        return all(choice.kind is not None for choice in choices)

    def rest(self, usual: Mapping[str, str]) -> None:
        """Fill in the groups that were not given."""
        for group in GROUPS:
            if group in self.plan.choices or group in self.failed:
                continue
            self.failed.add(group)
            self.note(group, self.file.faults.get(group, []))
            choice = self.file.choices.get(group)
            if choice is None and self.file.faults.get(group, self.file.faults.get("")):
                continue  # the file may have meant to name it
            with self.noting(group):
                if choice is None and group not in usual:
                    raise ConfigError(
                        f"{group}=… is missing; `gptasks tasks` lists the "
                        f"{len(self.registry.names(group))} installed"
                    )
                choice = choice or self.registry.find(group, usual[group])
                if self.usable(group, [choice]):
                    self.plan.choices[group] = (choice,)
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
        if len(values) > 1 and any(has_map(value) for value in values):
            raise ConfigError(
                f"{key}: a sweep can't go over maps; put each into a task file and sweep over task="
            )
        for value in values:
            for cls, name, where in owners:
                told = nest(name, value)
                if where or not has_map(value):  # the run's own options hold no maps
                    told = without_interpolations(told)
                self.note(group, self.registry.faults(cls, told, where))
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
        for fault in self.registry.faults(cls, nest(name, None), where):
            if fault.is_unknown:  # None as its value: the key matters here alone
                raise ConfigError(self.elsewhere(last, fault))

    def elsewhere(self, word: str, fault: str) -> str:
        """An unknown option's fault; where nothing near is told, with the key of another group."""
        said, sign, _ = fault.partition("; it has ")
        full = next((key for key in self.known() if sign and key.endswith(f".{word}")), "")
        return f"{said}; did you mean '{full}'?" if full else fault

    def nearest(self, key: str) -> str:
        """A suggestion among all keys, or among their last words: `epochs` for trainer.epochs."""
        known = self.known()
        last = {full.rpartition(".")[2]: full for full in reversed(known)}
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        near = near or [last[word] for word in difflib.get_close_matches(key, last, 1, 0.8)]
        return f"; did you mean '{near[0]}'?" if near else ""

    def known(self) -> list[str]:
        """All keys of the choices made."""
        own = (*fields_of(RunOptions), *fields_of(SweepOptions))
        known = [*GROUPS, *(option.key for option in own)]
        for group, choices in self.plan.choices.items():
            for choice in choices:
                options = fields_of(choice.kind) if choice.kind else []
                known += [f"{group}.{option.key}" for option in options]
        return known


def _holds(value: Any, path: Sequence[str]) -> bool:
    """Whether a map, or the maps in it, have a value at that path."""
    for part in path:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True
