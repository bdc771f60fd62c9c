"""Uploading to the Hugging Face hub. The token comes from HF_TOKEN alone and is stored nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import PublishError, failed_import
from ..run.fingerprint import CARD
from .client import Repository, api, explain, status_of

_AGAIN = "Everything that was computed is in the run folder; the same command publishes what is missing."
_HINTS = {
    401: "Set HF_TOKEN to a valid token: the hub rejected this one.",
    403: "Use a token in HF_TOKEN with write access to this repository, or correct `push` in the recipe.",
    404: "Correct `push` in the recipe; the hub also answers this if the token in HF_TOKEN may not see the repository.",
}

_OURS = {"model": re.compile(re.escape(CARD)), "dataset": re.compile(r"pairs/iteration-\d+\.parquet")}
"""Files that only selfjudge writes: to a repository of judges, and to one of data."""


class HuggingFaceHub:
    """The hub that HF_ENDPOINT names, or huggingface.co."""

    def prepare(self, repo: str, *, data: bool, private: bool) -> None:
        """Create a repository unless it exists. Raises PublishError, also if it holds files that selfjudge did not write."""
        target = _target(repo, data)
        with _publishing(target) as client:
            client.create_repo(repo, repo_type=target.kind, private=private, exist_ok=True)
            _check_ours(client, target)

    def upload(self, folder: Path, repo: str, *, data: bool, message: str, tag: str | None) -> str:
        """Publish the files of a folder, tag the commit, and return its id. Raises PublishError.

        In a repository of judges these files replace all others; to one of data they are added. Files that the hub has are not
        sent again.
        """
        target = _target(repo, data)
        with _publishing(target) as client:
            _check_ours(client, target)
            commit = client.upload_folder(
                repo_id=repo,
                repo_type=target.kind,
                folder_path=folder,
                commit_message=message,
                ignore_patterns=[".*"],
                delete_patterns=None if data else "*",
            )
            if tag is not None:
                _tag(client, target, tag, commit.oid)
        return str(commit.oid)


def _target(repo: str, data: bool) -> Repository:
    return Repository(kind="dataset" if data else "model", name=repo)


def _check_ours(client: Any, repo: Repository) -> None:
    """Raises PublishError if a repository holds files, and none of them shows that selfjudge wrote it."""
    files = set(client.list_repo_files(repo.name, repo_type=repo.kind)) - {".gitattributes"}
    if files and not any(_OURS[repo.kind].fullmatch(path) for path in files):
        raise PublishError(
            f"{repo.name} holds files that selfjudge did not write, such as {min(files)}: nothing was published",
            hint="Name a new repository in `push`, since publishing replaces the files of this one, or remove them first.",
        )


def _tag(client: Any, repo: Repository, tag: str, commit: str) -> None:
    """Let a tag name a commit, also if it named another one."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        client.create_tag(repo.name, tag=tag, revision=commit, repo_type=repo.kind)
    except HfHubHTTPError as error:
        if status_of(error) != 409:
            raise
        client.delete_tag(repo.name, tag=tag, repo_type=repo.kind)
        client.create_tag(repo.name, tag=tag, revision=commit, repo_type=repo.kind)


@contextmanager
def _publishing(repo: Repository) -> Iterator[Any]:
    """The library's client; its errors become PublishError."""
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise PublishError(
            f"{repo.name} cannot be published: HF_TOKEN is not set",
            hint="Set it to a token with write access to this repository, or remove `push` from the recipe.",
        )
    try:
        yield api(token)
    except PublishError:
        raise
    except ImportError as error:
        message, hint = failed_import(error, "publishing")
        raise PublishError(message, hint=hint) from error
    except Exception as error:  # the library raises many kinds, those of its HTTP client among them
        message, _ = explain(error, repo)
        hint = _HINTS.get(status_of(error) or 0, _AGAIN)
        raise PublishError(f"{repo.name} was not published completely: {message}", hint=hint) from error
