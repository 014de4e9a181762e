"""Finds plugins without importing them: entry points, and drop-ins: packages, and YAML files."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from gptasks.errors import PluginError, suggest
from gptasks.watchdog import watched

GROUP = "gptasks"
"""Entry-point group of installed plugins."""

FOLDERS = "GPTASKS_PLUGINS"
"""Environment variable: folders that hold plugins too, separated as in PATH."""


@dataclass(frozen=True)
class Found:
    """A plugin before it is imported."""

    name: str
    key: str
    """Unlike the name, never shared by two plugins."""

    target: object
    """What gives the plugin: an entry point, a folder, the object itself, or the PluginError that
    says why there is none."""

    distribution: str | None = None
    version: str | None = None
    folder: Path | None = None
    """The package's folder; None for a module of one file."""

    is_loose: bool = False
    """Whether it is the YAML files that lie in `folder` itself, each a task."""


def find() -> Iterator[Found]:
    """Installed plugins by distribution and name, then drop-ins, each package once.

    In a clone, `./plugins/x` is both; and where a wheel of gptasks is installed beside a clone,
    there are two copies of one plugin: the one that belongs to the gptasks that runs is taken.
    """
    folders = list({folder.resolve(): folder for folder in _folders()}.values())
    seen: list[Path] = []
    points = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda point: (_distribution(point)[0] or "", point.name)):
        folder = _folder_of(point)
        if folder is not None:
            twin = next((other for other in folders if _is_source_of(other, point.module)), None)
            if twin is not None and not _is_same(twin, folder):
                root = source_tree()
                if root is not None and _is_same(twin.parent.parent, root):
                    continue
                folders.remove(twin)
            seen.append(folder)
        name, version = _distribution(point)
        yield Found(point.name, f"{name}:{point.name}", point, name, version, folder)
    for folder in folders:
        if not any(_is_same(folder, other) for other in seen):
            seen.append(folder)
            yield Found(folder.name, str(folder.resolve()), folder, folder=folder)
    yield from _loose()
    yield from _lone_modules()
    yield from _missing_folders()


def source_tree() -> Path | None:
    """The root of the source tree this gptasks runs from; None for an installed copy."""
    package = Path(__file__).parent
    root = package.parent
    is_source = not (package / "conf").is_dir() and (root / "conf" / "config.yaml").is_file()
    return root if is_source else None


def version_of(distribution: str) -> str | None:
    """The installed version; None in a source tree that was never installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _folders() -> Iterator[Path]:
    """The drop-in packages of the current folder, of GPTASKS_PLUGINS and of the source tree."""
    yield from _packages(Path.cwd() / "plugins")
    for folder in _named_folders():
        yield from _packages(folder)
    root = source_tree()
    if root is not None:
        yield from _packages(root / "plugins")


def _named_folders() -> list[Path]:
    named = os.environ.get(FOLDERS, "").split(os.pathsep)
    return [Path(os.path.expanduser(name)) for name in named if name]


def _loose() -> Iterator[Found]:
    """The folders that hold YAML files beside packages, or alone."""
    folders = {folder.resolve(): folder for folder in (Path.cwd() / "plugins", *_named_folders())}
    for key, folder in folders.items():
        if next(yaml_files(folder), None) is not None:
            yield Found(folder.name, f"{key}{os.sep}*", folder, folder=folder, is_loose=True)


def yaml_files(folder: Path) -> Iterator[Path]:
    """The YAML files in a folder by name, hidden ones left out."""
    return (path for path in sorted(folder.glob("*.y*ml")) if not path.name.startswith("."))


def _missing_folders() -> Iterator[Found]:
    for folder in _named_folders():
        if next(_packages(folder), None) is None and next(yaml_files(folder), None) is None:
            why = "holds no package and no YAML file" if folder.is_dir() else "does not exist"
            if folder.is_file():
                why = f"is a file; name the folder it lies in, {folder.parent}"
            elif not folder.is_dir() and folder.parent.is_dir():
                why += suggest(folder.name, (one.name for one in folder.parent.iterdir()))
            error = PluginError(f"was not found: {FOLDERS} names the folder {folder}, which {why}")
            yield Found(folder.name, str(folder), error)


def _lone_modules() -> Iterator[Found]:
    """The files with a hook of ours that lie beside packages: nothing else would say why they add
    nothing."""
    folders = {folder.resolve(): folder for folder in (Path.cwd() / "plugins", *_named_folders())}
    for folder in folders.values():
        for path in sorted(folder.glob("[!._]*.py")):
            if _has_hook(path):
                place = path.with_suffix("") / "__init__.py"
                error = PluginError(f"was not read: a plugin is a folder; move {path} to {place}")
                yield Found(path.stem, str(path), error)


def _has_hook(path: Path) -> bool:
    """Whether a file answers a hook of gptasks; other tools have hooks of that name, too."""
    try:
        code = path.read_bytes()
    except OSError:  # a folder, a link to nothing, a file of another user
        return False
    return b"@hookimpl" in code and b"gptasks" in code


def _packages(parent: Path) -> Iterator[Path]:
    """The plugins in a folder: those with `__init__.py`, or with YAML files alone, in `conf/`."""
    if parent.is_dir():
        for folder in sorted(parent.iterdir()):
            is_hidden = folder.name.startswith((".", "_"))
            if not is_hidden and any((folder / part).exists() for part in ("__init__.py", "conf")):
                yield folder


def source_file(found: Found) -> Path | None:
    """The file of a plugin's module, which is not imported; None where it has none."""
    target = found.target
    if isinstance(target, importlib.metadata.EntryPoint):
        spec = _spec_of(target)
        return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
    return target / "__init__.py" if isinstance(target, Path) else None


def _folder_of(point: importlib.metadata.EntryPoint) -> Path | None:
    """The folder of an installed package, without importing it; None if it is none."""
    spec = _spec_of(point)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def _spec_of(point: importlib.metadata.EntryPoint) -> ModuleSpec | None:
    name, _ = _distribution(point)
    what = f"plugin '{point.name}'{f' ({name})' if name else ''}"
    try:
        with watched(what, f"GPTASKS_BLOCK={point.name} leaves it out."):
            return importlib.util.find_spec(point.module)
    except (Exception, SystemExit):  # no module's name, or a parent package that fails: loading
        return None  # it will tell


def _is_same(one: Path, other: Path) -> bool:
    """Whether two package folders are one: by path, or by their `__init__.py` being one file."""
    if one.resolve() == other.resolve():
        return True
    try:  # a strict editable install links file by file
        return os.path.samefile(one / "__init__.py", other / "__init__.py")
    except OSError:
        return False


def _is_source_of(folder: Path, module: str) -> bool:
    """Whether a drop-in folder is, in a clone of gptasks, the source of an installed plugin."""
    root = folder.parent.parent
    return module == f"gptasks_plugins.{folder.name}" and (root / "gptasks/task.py").is_file()


def _distribution(point: importlib.metadata.EntryPoint) -> tuple[str | None, str | None]:
    return (point.dist.name, point.dist.version) if point.dist is not None else (None, None)
