"""Keeps the plugins' own tests, and what an earlier build left behind, out of the wheel.

All else about the distribution stands in pyproject.toml, which has no words for these two.
"""

import shutil

from setuptools import setup
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


setup(cmdclass={"build_py": BuildPython})
