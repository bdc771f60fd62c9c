"""What a failed import means, and what to do about it, is said of the error that it arose from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from selfjudge import errors
from selfjudge.errors import failed_import, root_cause


def chained(*errors: BaseException, silently: bool = False) -> BaseException:
    """The last of these errors, each raised from the one before or, silently, while that was handled."""
    before: BaseException | None = None
    for error in errors:
        error.__cause__, error.__context__ = (None, before) if silently else (before, before)
        before = error
    return errors[-1]


LAZY = "Could not import module 'AutoProcessor'. Are this object's requirements defined correctly?"


@pytest.mark.parametrize("silently", [False, True])
@pytest.mark.parametrize(
    ("root", "said"),
    [
        (ModuleNotFoundError("No module named 'no_such'", name="no_such"), "a package that is not installed: no_such"),
        (ModuleNotFoundError("No module named 'no_such.part'", name="no_such.part"), "not installed: no_such"),
        (ModuleNotFoundError("No module named 'json.part'", name="json.part"), "does not load: No module named 'json.part'"),
        (ImportError("cannot import name 'x' from 'json'", name="json"), "does not load: cannot import name 'x'"),
        (ImportError("libcudart.so.13: cannot open shared object file"), "does not load: libcudart.so.13"),
        (ImportError(), "does not load: ImportError"),
        (RuntimeError("operator torchvision::nms does not exist"), "torchvision does not load: operator torchvision::nms"),
        (OSError("undefined symbol: x"), "does not load: undefined symbol"),
    ],
)
def test_the_root_of_a_failed_import_is_told(root: BaseException, said: str, silently: bool):
    message, hint = failed_import(chained(root, ModuleNotFoundError(LAZY), ModuleNotFoundError(LAZY), silently=silently), "`sft`")
    assert message.startswith("`sft`") and said in message and "None" not in message and hint


def test_what_was_handled_before_a_named_error_is_not_its_cause():
    error = chained(KeyError("x"), ModuleNotFoundError("No module named 'no_such'", name="no_such"), silently=True)
    assert root_cause(error) is error


@pytest.fixture
def torchvision_for_cuda(tmp_path: Path) -> Path:
    """A folder with what torchvision is beside a torch for CPUs, where it was built for CUDA."""
    package, about = tmp_path / "torchvision", tmp_path / "torchvision-0.28.0.dist-info"
    package.mkdir()
    about.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    (package / "version.py").write_text("__version__ = '0.28.0+cu130'\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n")
    return tmp_path


@pytest.mark.slow
def test_torchvision_for_cuda_beside_a_torch_for_cpus_is_told_with_a_cure_by_runs_and_by_the_doctor(torchvision_for_cuda: Path):
    pytest.importorskip("torch")
    begin = f"import sys; sys.path.insert(0, {str(torchvision_for_cuda)!r}); from selfjudge.cli import main; "
    for command, said in (
        (["demo", "--dir", "run"], "error: `sft` cannot be used: torchvision does not load"),
        (["doctor"], "CUDA"),
    ):
        told = subprocess.run(
            [sys.executable, "-c", f"{begin} sys.argv = ['selfjudge', *{command}]; main()"],
            check=False,
            capture_output=True,
            text=True,
            cwd=torchvision_for_cuda,
        )
        shown = " ".join((told.stdout + told.stderr).split())
        assert said in shown and "cpu_torchvision.py" in shown


def test_the_command_for_an_extra_names_the_folder_or_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Of an installation from a folder, from a wheel, and of none."""

    class Found:
        requires = ("numpy>=2", "aiohttp<4,>=3.14; extra == 'http'", 'jiter; extra == "http"', "ray; extra == 'ray'")

        def __init__(self, origin: str | None) -> None:
            self.origin = origin

        def read_text(self, name: str) -> str | None:
            return self.origin

    (tmp_path / "pyproject.toml").write_text("")
    clone = Found(json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}}))
    wheel = Found(json.dumps({"url": "file:///gone/selfjudge.whl", "archive_info": {}}))
    for found, command in (
        (clone, f"pip install '{tmp_path}[http]'"),
        (wheel, "pip install 'aiohttp<4,>=3.14' 'jiter'"),
        (Found(None), "pip install 'aiohttp<4,>=3.14' 'jiter'"),
    ):
        monkeypatch.setattr(errors, "distribution", lambda name, found=found: found)
        assert errors.installing("http") == command
