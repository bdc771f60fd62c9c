"""What the package imports is declared, what it declares is imported, and a platform without it is named."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

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


def script() -> ModuleType:
    spec = spec_from_file_location("dependencies", ROOT / "scripts/dependencies.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_pinned_package_is_listed_with_its_licence_and_none_is_known_to_be_vulnerable():
    command = [sys.executable, str(ROOT / "scripts/dependencies.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("name", "version", "advisory"),
    [("jinja2", "2.7.1", "PYSEC-2014-8"), ("aiohttp", "3.8.1", "PYSEC-2023-246"), ("jinja2", "3.1.6", None)],
)
def test_a_version_with_a_known_vulnerability_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str, advisory: str | None
):
    dependencies = script()
    monkeypatch.setattr(dependencies, "pins", lambda: {name: version})
    found = list(dependencies.vulnerable())
    assert (f"{name} {version}: {advisory}" in found) if advisory else not found


def test_an_audit_whose_service_is_out_of_reach_says_so_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert script().online() == [] and "pip-audit" in capsys.readouterr().out


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
