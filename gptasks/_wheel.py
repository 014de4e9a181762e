"""How a wheel of gptasks is built: without the plugins' own tests, from an empty build folder.

pyproject.toml names this class and holds all else; nothing imports it once gptasks is installed.
"""

from __future__ import annotations

import shutil

from setuptools.command.build_py import build_py


class BuildPython(build_py):
    """Collects the modules of a wheel."""

    def run(self) -> None:
        """Begin with an empty folder: setuptools would add to a stale one."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """The modules of a package, without tests."""
        found = super().find_package_modules(package, package_dir)
        return [module for module in found if not module[1].startswith(("test_", "conftest"))]
