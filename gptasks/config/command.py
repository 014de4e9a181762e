"""The command line of training: overrides, sweeps, and Hydra's flags in any place."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from gptasks.config.file import ConfigFile
from gptasks.config.origins import Origins
from gptasks.config.overrides import read_overrides
from gptasks.config.plan import Plan
from gptasks.config.run import RunConfig, configured, file_of, primary_config
from gptasks.errors import ConfigError, suggest
from gptasks.registry import Registry

_SHOWN = ("job", "hydra", "all")
_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def configurations(argv: Sequence[str], registry: Registry | None = None) -> list[RunConfig]:
    """The configurations of the runs that a command line asks for, in their order.

    argv: overrides and flags in any order: `--config FILE` is what the overrides change;
    `-m`/`--multirun` sweeps over lists of values, and `seeds=N` over seeds; `--cfg job|hydra|all`
    with `--package`, `--resolve`, and `--info [what]` print something and ask for no run.
    Raises ConfigError with the faults of all of them.
    """
    flags = _flags(argv)
    registry = Registry() if registry is None else registry
    primary, usual = primary_config()
    told = file_of(flags.config, registry, usual)
    plan = read_overrides(flags.overrides, registry, usual, told, sweep=flags.multirun)
    from gptasks.config import composition  # Hydra takes 0.2 s to import: checks come first

    if flags.cfg or flags.info:
        if plan.seeds > 1:
            raise ConfigError(f"--cfg and --info show one run; leave seeds={plan.seeds} out")
        composition.show(
            plan,
            {**primary, **told.run},
            cfg=flags.cfg,
            package=flags.package,
            resolve=flags.resolve,
            info=flags.info,
        )
        return []
    if flags.multirun:
        jobs = composition.compose_all(plan, {**primary, **told.run})
    else:
        jobs = [(composition.compose_one(plan, {**primary, **told.run}), plan.typed)]
    configs = [
        config
        for values, overrides in jobs
        for config in _seeded(values, overrides, plan, told, registry, flags.config)
    ]
    _refuse_shared_folder(configs)
    return configs


def _seeded(
    values: dict[str, Any],
    overrides: Sequence[str],
    plan: Plan,
    told: ConfigFile,
    registry: Registry,
    file: str | None,
) -> Iterator[RunConfig]:
    """The runs of one composed configuration: one for each seed, its overrides naming the seed."""

    def made(values: dict[str, Any], overrides: Sequence[str]) -> RunConfig:
        return configured(Origins(plan, told, {}, values, {}), registry, overrides, file)

    first = made(values, overrides)
    if plan.seeds == 1:
        yield first
        return
    others = [text for text in overrides if text.partition("=")[0] != "seed"]
    for seed in range(first.run.seed, first.run.seed + plan.seeds):
        yield made({**values, "seed": seed}, [*others, f"seed={seed}"])


def _refuse_shared_folder(configs: Sequence[RunConfig]) -> None:
    digests: dict[str, str] = {}
    for config in configs:
        folder = config.run.run
        if folder and digests.setdefault(folder, config.digest()) != config.digest():
            raise ConfigError(
                f"run={folder} would be the folder of several runs; leave run out, and each gets "
                "one of its own in runs/"
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
