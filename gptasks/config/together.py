"""What the options of a group say of each other, found where other groups have faults already."""

from __future__ import annotations

from collections.abc import Collection

from gptasks.choices import GROUPS
from gptasks.config.file import ConfigFile
from gptasks.config.nodes import UNSET, nest, node
from gptasks.config.origins import Origins
from gptasks.config.plan import Plan
from gptasks.errors import ConfigError
from gptasks.fields import laid_over
from gptasks.schema import build, interpolates


def faults_together(plan: Plan, file: ConfigFile, sound: Collection[str]) -> list[str]:
    """The faults that the classes of the groups `sound`, of which every option by itself is right,
    find in them as a whole."""
    faults: list[str] = []
    for group in (group for group in GROUPS if group in sound and len(plan.choices[group]) == 1):
        (choice,) = plan.choices[group]
        assert choice.kind is not None
        values = node(choice)
        for key, setting in plan.settings.items():
            if key.startswith(f"{group}."):
                given = nest(key.partition(".")[2], setting.values[0])
                values = laid_over(choice.kind, values, given)
        options = {key: value for key, value in values.items() if key not in ("name", "kind")}
        if interpolates(options):
            continue
        options = {key: value for key, value in options.items() if value != UNSET}
        origins = Origins(plan, file, {}, {group: values}, {})
        try:
            build(choice.kind, options, choice.where, internal=True)
        except ConfigError as error:
            faults += map(origins.told, error.faults)
    return faults
