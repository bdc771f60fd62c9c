"""The one client of the Hugging Face hub, through its own library, and the one table of its errors.

`HF_ENDPOINT` names the hub, huggingface.co without it. Reading uses HF_TOKEN or a stored login; publishing uses HF_TOKEN alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError, RunError, SelfjudgeError, failed_import, root_cause
from ..run.disk import is_disk_full

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SECONDS = 10.0
"""Timeout of a request for metadata."""
_SHOWN = 200
"""Characters of a foreign message that an error repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A model or data set of the hub at a branch, tag or commit; None is its main branch."""

    kind: Literal["model", "dataset"]
    name: str
    revision: str | None = None

    def __str__(self) -> str:
        at = f" at {self.revision}" if self.revision else ""
        return f"the {'model' if self.kind == 'model' else 'data set'} {self.name}{at}"

    @property
    def page(self) -> str:
        return f"{_endpoint() or 'https://huggingface.co'}/{'' if self.kind == 'model' else 'datasets/'}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A repository at one commit, and the names of its files."""

    commit: str
    files: tuple[str, ...]


_AGAIN = "then run the same command again: it continues where it stopped."
_ERRORS = {
    "GatedRepoError": (
        "{repo} is gated: the hub asks you to accept its licence{licence} first",
        "Accept the licence at {page}, set HF_TOKEN to a token of the account that accepted it, " + _AGAIN,
    ),
    "RevisionNotFoundError": (
        "{repo} does not exist: the repository has no such revision",
        "Name a branch, tag or commit listed at {page}/commits/main, or leave the revision out.",
    ),
    "RepositoryNotFoundError": (
        "{repo} was not found on the hub, or this account may not see it",
        "Check the name (or the path, if a local folder is meant); for a private repository set HF_TOKEN to a token that may "
        "read it.",
    ),
    "DisabledRepoError": ("the hub has disabled access to {repo}", "{page} gives the reason; choose another repository."),
    "HFValidationError": (
        "`{repo.name}` is not a valid name on the hub",
        "Names have the form owner/name; check the path if a local folder is meant.",
    ),
    "OfflineModeIsEnabled": (
        "{repo} is not in the local cache, and offline mode is on",
        "Unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE, or fill the cache with `hf download {repo.name}{type}`.",
    ),
    "401": (
        "the hub rejected the access token for {repo}",
        "Set HF_TOKEN to a valid token, or unset it and run `hf auth logout` if none is needed.",
    ),
    "403": (
        "the hub denied access to {repo}",
        "Use a token in HF_TOKEN that may read it; fine-grained tokens list what they may.",
    ),
    "429": (
        "the hub limited the rate of requests for {repo}{wait}",
        "Wait some minutes, set HF_TOKEN for a higher limit if it is not set, " + _AGAIN,
    ),
    "5xx": ("the hub failed on a request for {repo} (HTTP status {status})", "Wait until the hub works again, " + _AGAIN),
    "TransportError": (
        "cannot reach the hub at {endpoint} for {repo}: {root}",
        "Check the network, the proxy settings and HF_ENDPOINT, " + _AGAIN,
    ),
    "ConnectionError": (
        "lost the connection to the hub at {endpoint} for {repo}: {root}",
        "Check the network, the proxy settings and HF_ENDPOINT, " + _AGAIN,
    ),
    "PermissionError": (
        "cannot write {repo} to the local cache: {root}",
        "Set HF_HOME to a folder that may be written, " + _AGAIN,
    ),
    "Exception": (
        "an operation on {repo} failed: {root}",
        "{page} shows its files, configurations and splits. If the connection failed, run the same command again.",
    ),
}
"""Message and hint, by the name of an exception in the chain of causes (or of a class it inherits from) or by the HTTP status.

The first entry that fits decides.
"""


@contextmanager
def translated_errors(repo: Repository) -> Iterator[None]:
    """Translate what the hub's libraries raise.

    Raises InputError, RunError when the disk is full, and SelfjudgeError when a package is missing.
    """
    try:
        yield
    except SelfjudgeError:
        raise
    except ImportError as error:
        message, hint = failed_import(error, f"the Hugging Face hub ({repo})")
        raise SelfjudgeError(message, hint=hint) from error
    except Exception as error:  # the libraries raise many kinds, those of their HTTP client among them
        if is_disk_full(error):
            hint = f"Free some space (HF_HOME moves the hub's cache to a larger disk), {_AGAIN}"
            raise RunError(f"no space left on the disk while downloading {repo}", hint=hint) from error
        message, hint = explain(error, repo)
        raise InputError(message, hint=hint) from error


def explain(error: Exception, repo: Repository) -> tuple[str, str]:
    """Message and hint for an exception of the hub's libraries."""
    chain, status = list(_chain(error)), status_of(error)
    names = {kind.__name__ for one in chain for kind in type(one).__mro__} | {str(status), f"{status}"[:1] + "xx"}
    name = next(name for name in _ERRORS if name in names)
    licence = _licence(repo) if name == "GatedRepoError" else None
    seconds = re.search(r"Retry after (\d+) seconds", str(error))
    facts = {
        "repo": repo,
        "page": repo.page,
        "endpoint": _endpoint() or "huggingface.co",
        "type": "" if repo.kind == "model" else " --type dataset",
        "licence": f" ({licence})" if licence else "",
        "wait": f" (retry after {seconds[1]} seconds)" if seconds else "",
        "status": status,
        "root": _first_line(root_cause(error)),
    }
    message, hint = (text.format(**facts) for text in _ERRORS[name])
    return message, hint


def _first_line(error: BaseException) -> str:
    """Type and first line of an exception, without the token."""
    line = next(iter(str(error).strip().splitlines()), "")
    if token := os.environ.get("HF_TOKEN"):
        line = line.replace(token, "HF_TOKEN")
    return f"{type(error).__name__}: {line[:_SHOWN]}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def status_of(error: BaseException) -> int | None:
    """The HTTP status in an error or in one that caused it."""
    for one in _chain(error):
        if (status := getattr(getattr(one, "response", None), "status_code", None)) is not None:
            return int(status)
    return None


def _endpoint() -> str | None:
    return (os.environ.get("HF_ENDPOINT") or "").rstrip("/") or None


def api(token: str | None = None) -> Any:
    """The library's client."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint(), token=token)


def _licence(repo: Repository) -> str | None:
    """The name of a repository's licence, which the hub also shows for a gated one; None when it cannot be read."""
    with suppress(Exception):
        card = api().repo_info(repo.name, repo_type=repo.kind, timeout=_SECONDS).card_data
        named = card.get("license_name") or card.get("license")
        return named if isinstance(named, str) else None
    return None


def look_up(repo: Repository) -> Snapshot:
    """The commit of a repository's revision, and its files. Raises SelfjudgeError."""
    with translated_errors(repo):
        info = api().repo_info(repo.name, repo_type=repo.kind, revision=repo.revision, timeout=_SECONDS)
    return Snapshot(commit=str(info.sha), files=tuple(file.rfilename for file in info.siblings or ()))


def commit_of(repo: Repository) -> str:
    """The commit that a repository's revision names; the hub is asked once in a process. Raises SelfjudgeError."""
    if repo.revision is not None and _COMMIT.fullmatch(repo.revision):
        return repo.revision
    return _look_up_once(repo, _endpoint()).commit


@cache
def _look_up_once(repo: Repository, _endpoint: str | None) -> Snapshot:
    return look_up(repo)


def download(repo: Repository, *, allow: Sequence[str] = (), ignore: Sequence[str] = (), into: Path | None = None) -> Path:
    """Download the files that match a pattern of `allow` (all, if empty) and none of `ignore`; continue an interrupted download.

    Returns `into`, or else a folder of the library's cache that is named after the commit. The cache is used alone when the hub
    cannot be reached. Raises SelfjudgeError.
    """
    with translated_errors(repo):
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            repo.name,
            repo_type=repo.kind,
            revision=repo.revision,
            allow_patterns=list(allow) or None,
            ignore_patterns=list(ignore) or None,
            local_dir=into,
            endpoint=_endpoint(),
        )
    return Path(folder)


def cached(repo: Repository, allow: Sequence[str] = ()) -> Path | None:
    """The folder of a repository in the library's cache; None when it is not there or not complete. Sends no request."""
    try:
        from huggingface_hub import snapshot_download

        allowed = list(allow) or None
        return Path(
            snapshot_download(
                repo.name, repo_type=repo.kind, revision=repo.revision, allow_patterns=allowed, local_files_only=True
            )
        )
    except (ImportError, OSError, ValueError):
        return None


def cached_card(repo: Repository) -> Path | None:
    """The README.md of a repository in the library's cache; None when it is not there. Sends no request."""
    try:
        from huggingface_hub import try_to_load_from_cache

        path = try_to_load_from_cache(repo.name, "README.md", repo_type=repo.kind, revision=repo.revision)
    except (ImportError, ValueError):
        return None
    return Path(path) if isinstance(path, str) else None
