"""`selfjudge serve`: a judge as an HTTP service."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .judging import JudgeName, MaxTokens, open_judge
from .options import BaseURL, EngineChanges, PromptFile
from .terminal import say

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
_GRACE_SECONDS = 30


def serve(
    judge: JudgeName,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8300,
    waiting: Annotated[int, typer.Option(min=1, help="Comparisons that may wait; further ones get 429.")] = 1024,
    batch: Annotated[int, typer.Option(min=1, help="Comparisons that are judged together.")] = 64,
    seconds: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that a request may take.")] = 120.0,
    body_mib: Annotated[int, typer.Option("--max-body", min=1, help="Largest request, in MiB.")] = 32,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder whose image files clients may name.",
            show_default="none",
            exists=True,
            file_okay=False,
            resolve_path=True,
        ),
    ] = None,
    max_tokens: MaxTokens = 1024,
    base_url: BaseURL = None,
    changes: EngineChanges = None,
    prompt_file: PromptFile = None,
) -> None:
    """Serve a judge over HTTP: /v1/compare, /v1/rank, /v1/rerank, /health, /metrics, and /docs.

    Requests of all clients are judged together. Listens on this machine alone unless --host says otherwise.
    With SELFJUDGE_TOKEN set, clients must send it as a bearer token.
    """
    _check_installed()
    _check_free(host, port)
    import uvicorn

    from ..serve.app import TOKEN, Limits, create_app

    local = host == "localhost" or _is_loopback(host)
    limits = Limits(
        waiting=waiting,
        batch=batch,
        seconds=seconds,
        body_bytes=body_mib * 2**20,
        images=images,
        hosts=_LOCAL if local else (),
    )
    app = create_app(open_judge(judge, max_tokens, base_url, changes, prompt_file), judge, limits)
    say(f"serving {judge} at http://{host}:{port} (its API: http://{host}:{port}/docs); Ctrl-C stops", err=True)
    if not local and not os.environ.get(TOKEN):
        say(f"warning: anyone who reaches this address can use the judge; set {TOKEN} to ask for a token", err=True)
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=_GRACE_SECONDS)


def _check_installed() -> None:
    """Raises SelfjudgeError without the packages of the service."""
    try:
        import uvicorn  # noqa: F401

        from ..serve import app  # noqa: F401
    except ImportError as error:
        from ..errors import SelfjudgeError, failed_import

        message, hint = failed_import(error, "`selfjudge serve`", extra="serve")
        raise SelfjudgeError(message, hint=hint) from error


def _check_free(host: str, port: int) -> None:
    """Raises InputError where nothing can listen: a large judge takes minutes to load before anyone tries."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror).lower()
        raise InputError(f"cannot listen at {host}:{port}: {reason}", hint="Choose another --port or --host.") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
