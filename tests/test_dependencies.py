"""What the package imports is declared, what it declares is imported, and a platform without it is named."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONSTRAINED = {canonicalize_name(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}


def declared(*extras: str) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(source: str) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"selfjudge"}


def imports_of_the_package() -> set[str]:
    return {name for path in (ROOT / "src").rglob("*.py") for name in imported(path.read_text())}


def test_every_imported_package_is_declared():
    users = declared(*(extra for extra in PROJECT["optional-dependencies"] if extra != "dev"))
    distributions = packages_distributions()
    missing = {
        name: distributions.get(name)
        for name in imports_of_the_package()
        if not users & {canonicalize_name(distribution) for distribution in distributions.get(name, [name])}
    }
    assert missing == {}


@pytest.mark.slow
def test_every_base_dependency_is_imported_and_constrained():
    names = {canonicalize_name(d) for name in imports_of_the_package() for d in packages_distributions().get(name, [name])}
    assert declared() <= names
    assert declared("local", "http") <= CONSTRAINED
    assert "matplotlib" in declared("dev") - declared("local", "http", "ray", "track")


@pytest.mark.parametrize("command", ["import selfjudge", "from selfjudge import Judge", "import selfjudge.cli"])
def test_an_unsupported_platform_is_one_sentence_at_import(command: str):
    code = f"import sys; sys.modules['fcntl'] = None; {command}"
    shown = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert shown.returncode == 1
    assert shown.stderr.splitlines()[-1] == "ImportError: selfjudge runs on Linux and macOS; on Windows use it inside WSL 2."
