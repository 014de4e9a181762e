"""The command line of training: overrides, sweeps, and Hydra's flags in any place."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from gptasks.config.file import ConfigFile
from gptasks.config.origins import Origins
from gptasks.config.overrides import read_overrides
from gptasks.config.plan import Plan
from gptasks.config.run import RunConfig, configured, file_of, primary_config
from gptasks.errors import ConfigError, GptasksError, suggest
from gptasks.registry import Registry

T = TypeVar("T")

log = logging.getLogger(__name__)

_SHOWN = ("job", "hydra", "all")
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def run_main(
    argv: Sequence[str], job: Callable[[RunConfig], T], registry: Registry | None = None
) -> list[T]:
    """Run `job` with the configuration of a command line; in a sweep with each, in turn.

    argv: overrides and flags in any order: `--config FILE` is what the overrides change;
    `-m`/`--multirun` sweeps over lists of values; `--cfg job|hydra|all` with `--package`,
    `--resolve`, and `--info [what]` print instead of running.
    Every job is composed and checked before the first one starts. A job of a sweep that ends in a
    GptasksError doesn't keep the next from running; at the end the first error is raised, the
    others being its notes, one line each.
    """
    flags = _flags(argv)
    registry = Registry() if registry is None else registry
    primary, usual = primary_config()
    told = file_of(flags.config, registry, usual)
    plan = read_overrides(flags.overrides, registry, usual, told, sweep=flags.multirun)
    from gptasks.config import composition  # Hydra takes 0.2 s to import: checks come first

    if flags.cfg or flags.info:
        composition.show(
            plan,
            {**primary, **told.run},
            cfg=flags.cfg,
            package=flags.package,
            resolve=flags.resolve,
            info=flags.info,
        )
        return []
    if not flags.multirun:
        jobs = [(composition.compose_one(plan, {**primary, **told.run}), plan.typed)]
        (config,) = _configs(jobs, plan, told, registry, flags.config)
        return [job(config)]
    jobs = composition.compose_all(plan, {**primary, **told.run})
    return _each(_configs(jobs, plan, told, registry, flags.config), job)


def _configs(
    jobs: Sequence[tuple[dict[str, Any], list[str]]],
    plan: Plan,
    told: ConfigFile,
    registry: Registry,
    file: str | None,
) -> list[RunConfig]:
    return [
        configured(Origins(plan, told, {}, values, {}), registry, overrides, file)
        for values, overrides in jobs
    ]


def _each(configs: Sequence[RunConfig], job: Callable[[RunConfig], T]) -> list[T]:
    _refuse_shared_folder(configs)
    results: list[T] = []
    errors: list[GptasksError] = []
    for number, config in enumerate(configs, 1):
        log.info("run %d of %d: %s", number, len(configs), " ".join(config.overrides))
        try:
            results.append(job(config))
        except GptasksError as error:
            if len(configs) == 1:
                raise
            log.error("run %d of %d ended: %s", number, len(configs), error)
            said = "; ".join(str(error).split("\n"))
            told = type(error)(f"run {number} ({' '.join(config.overrides)}): {said}")
            told.__cause__ = error
            errors.append(told)
    if errors:
        for other in errors[1:]:
            errors[0].add_note(str(other))
        raise errors[0]
    return results


def _refuse_shared_folder(configs: Sequence[RunConfig]) -> None:
    digests: dict[str, str] = {}
    for config in configs:
        folder = config.run.run
        if folder and digests.setdefault(folder, config.digest()) != config.digest():
            raise ConfigError(
                f"run={folder} would be the folder of several runs of this sweep; "
                "leave run out, and each gets one of its own"
            )


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _flags(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("-c", "--cfg")
    parser.add_argument("-p", "--package")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("-i", "--info", nargs="?", const="all", choices=_INFO)
    known = [text for action in parser._actions for text in action.option_strings]
    words: list[Any] = []
    for word, after in zip(argv, [*argv[1:], ""], strict=False):
        flag = word.partition("=")[0]
        if word.startswith("-") and flag not in known:
            near = suggest(flag, [*known, "--help", "--version"])
            raise ConfigError(f"there is no flag '{flag}'{near or '; see gptasks --help'}")
        # `--info` alone must not take the next override for what to print.
        words.append("--info=all" if word in ("-i", "--info") and after not in _INFO else word)
    flags = parser.parse_intermixed_args(words)
    if flags.cfg and flags.cfg not in _SHOWN:
        near = suggest(flags.cfg, _SHOWN) or f"; it is one of {', '.join(_SHOWN)}"
        raise ConfigError(f"--cfg has no '{flags.cfg}'{near}")
    if flags.cfg and flags.info:
        raise ConfigError("--cfg and --info each print something else; give one of them")
    if flags.multirun and (flags.cfg or flags.info):
        raise ConfigError("--cfg and --info show one run; leave -m out")
    if (flags.resolve or flags.package) and not flags.cfg:
        raise ConfigError("--resolve and --package go with --cfg, such as --cfg job --resolve")
    return flags
