"""Publishing on the Hugging Face hub, through its own library. The token comes from HF_TOKEN alone and is stored nowhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import PublishError, failed_import
from ..run.folder import CARD

_AGAIN = "Everything that was computed is in the run folder; the same command publishes what is missing."
_HINTS = {
    401: "Set HF_TOKEN to a valid token: the hub does not know this one.",
    403: "The token in HF_TOKEN needs write access to this repository; or correct `push` in the recipe.",
    404: "Correct `push` in the recipe; the hub also says so where the token in HF_TOKEN may not see the repository.",
}

_OURS = {False: re.compile(re.escape(CARD)), True: re.compile(r"pairs/iteration-\d+\.parquet")}
"""Files that only selfjudge writes: to a repository of judges, and to one of data."""


class HuggingFaceHub:
    """The hub that HF_ENDPOINT names, or huggingface.co."""

    def prepare(self, repo: str, *, data: bool, private: bool) -> None:
        """Make a repository unless it is there. Raises PublishError, also where it holds the files of somebody else."""
        with _speaking(repo) as api:
            api.create_repo(repo, repo_type=_type(data), private=private, exist_ok=True)
            _check_ours(api, repo, data)

    def upload(self, folder: Path, repo: str, *, data: bool, message: str, tag: str | None) -> str:
        """Publish the files of a folder and give the commit a tag; its id. Raises PublishError.

        A repository of judges then holds these files alone; to one of data they are added. What the hub has already is not sent.
        """
        with _speaking(repo) as api:
            _check_ours(api, repo, data)
            commit = api.upload_folder(
                repo_id=repo,
                repo_type=_type(data),
                folder_path=folder,
                commit_message=message,
                ignore_patterns=[".*"],
                delete_patterns=None if data else "*",
            )
            if tag is not None:
                _tag(api, repo, tag, commit.oid, _type(data))
        return str(commit.oid)


def _check_ours(api: Any, repo: str, data: bool) -> None:
    """Raises PublishError where a repository holds files, and not one that shows that selfjudge wrote it."""
    held = set(api.list_repo_files(repo, repo_type=_type(data))) - {".gitattributes"}
    if held and not any(_OURS[data].fullmatch(path) for path in held):
        raise PublishError(
            f"{repo} holds files that selfjudge did not write, such as {min(held)}: nothing was published",
            hint="Name a new repository in `push`, for this one's files would be replaced; or remove them there first.",
        )


def _type(data: bool) -> str:
    return "dataset" if data else "model"


def _tag(api: Any, repo: str, tag: str, commit: str, kind: str) -> None:
    """Let a tag name a commit, also if it named another one."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_tag(repo, tag=tag, revision=commit, repo_type=kind)
    except HfHubHTTPError as error:
        if _status(error) != 409:
            raise
        api.delete_tag(repo, tag=tag, repo_type=kind)
        api.create_tag(repo, tag=tag, revision=commit, repo_type=kind)


@contextmanager
def _speaking(repo: str) -> Iterator[Any]:
    """The library's client; what goes wrong with it becomes PublishError."""
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise PublishError(
            f"{repo} cannot be published: HF_TOKEN is not set",
            hint="Set it to a token that may write there, or leave `push` out.",
        )
    try:
        from huggingface_hub import HfApi

        yield HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token)
    except PublishError:
        raise
    except ImportError as error:
        message, hint = failed_import(error, "publishing")
        raise PublishError(message, hint=hint) from error
    except Exception as error:  # the library raises many kinds, those of its HTTP client among them
        raise _explained(repo, error, token) from error


def _explained(repo: str, error: Exception, token: str) -> PublishError:
    status, root = _status(error), error
    while isinstance(root.__cause__, Exception):
        root = root.__cause__  # the library wraps what it met in words that do not say what it was
    first = next(iter(str(root).strip().splitlines()), "").replace(token, "HF_TOKEN")[:300]
    said = (
        f"the hub answered {status}: {first}" if status else f"the hub was not reached, or lost: {type(root).__name__}: {first}"
    )
    return PublishError(f"{repo} was not published whole: {said}", hint=_HINTS.get(status or 0, _AGAIN))


def _status(error: BaseException | None) -> int | None:
    """The HTTP status in an error or in one that it arose from."""
    while error is not None:
        if (status := getattr(getattr(error, "response", None), "status_code", None)) is not None:
            return int(status)
        error = error.__cause__
    return None
