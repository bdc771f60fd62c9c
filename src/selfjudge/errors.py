"""Errors that a user can act on. One tree; each error says what is wrong and carries a hint what to do.

    SelfjudgeError
    ├── RecipeError    a recipe or a `--set` cannot be used as it is
    ├── InputError     a prompt file, model folder or image cannot be read
    ├── RunError       the run folder cannot be used: another recipe, another process, a damaged file, a full disk
    ├── EngineError    text generation broke as a whole (one failed request is a `Completion`, not an error)
    ├── TrainerError   training broke; the previous judge stands
    └── PublishError   the hub does not take what a recipe publishes; nothing that was computed is lost

Foreign exceptions become one of these at the edge where they arise. The command line prints `error:` and `hint:`.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit


class SelfjudgeError(Exception):
    """Something went wrong that the user can do something about."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class RecipeError(SelfjudgeError):
    """A recipe or a `--set` cannot be used as it is."""


class InputError(SelfjudgeError):
    """A prompt file, model folder or image cannot be read."""


class RunError(SelfjudgeError):
    """The run folder cannot be used."""


class EngineError(SelfjudgeError):
    """Text generation broke as a whole."""


class TrainerError(SelfjudgeError):
    """Training broke; the previous judge stands."""


class PublishError(SelfjudgeError):
    """The hub does not take what a recipe publishes."""


OUT_OF_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)
"""What torch says where memory does not suffice, on a GPU or a CPU, whatever kind of error it raises."""

TORCHVISION_CURE = (
    "This torchvision was built for another torch, mostly for CUDA beside a torch for CPUs. Install the build for your torch "
    "(pytorch.org, Get started), or run scripts/cpu_torchvision.py of selfjudge's repository with this Python, or "
    "`pip uninstall torchvision` where no model needs it: the demo's does not, Qwen's do."
)


def root_cause(error: BaseException) -> BaseException:
    """The error that a chain of others arose from. Libraries that import lazily say in the last one only that they failed."""
    while cause := error.__cause__ or (error.__context__ if isinstance(error, ImportError) and error.name is None else None):
        error = cause
    return error


def installing(extra: str) -> str:
    """The command that installs an extra: from the folder that selfjudge was installed from, or else its packages by name."""
    try:
        found = distribution("selfjudge")
    except PackageNotFoundError:
        return f"pip install '.[{extra}]'"
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    folder = Path(unquote(urlsplit(origin.get("url", "")).path))
    if "dir_info" in origin and (folder / "pyproject.toml").exists():
        return f"pip install '{folder}[{extra}]'"
    needed = (requirement.replace('"', "'").partition(";") for requirement in found.requires or ())
    return " ".join(["pip install", *(f"'{name.strip()}'" for name, _, marker in needed if f"'{extra}'" in marker)])


def failed_import(error: BaseException, what: str, *, extra: str = "local") -> tuple[str, str]:
    """Message and hint for something that cannot be imported: a package that is missing, or one that is there and broken."""
    root = root_cause(error)
    install = installing(extra)
    if "torchvision::" in str(root):
        return f"{what} cannot be used: torchvision does not load: {root}", TORCHVISION_CURE
    package = (getattr(root, "name", None) or "").partition(".")[0]
    if isinstance(root, ModuleNotFoundError) and package and find_spec(package) is None:
        return f"{what} needs a package that is not installed: {package}", f"Install what is missing: {install}"
    reason = str(root) or type(root).__name__
    return (
        f"{what} cannot be used: an installed package does not load: {reason}",
        f"`selfjudge doctor` and `pip check` show versions that do not fit; {install} in a new environment brings ones that do.",
    )
