"""`selfjudge view`: pages to look into a run."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .terminal import say


def view(
    run: Annotated[Path, typer.Argument(help="Run folder.", show_default=False)],
    other: Annotated[Path | None, typer.Argument(metavar="RUN2", help="A second run, to compare.", show_default="none")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8400,
    key: Annotated[
        str | None, typer.Option(help="Key in the address.", show_default="a new one", envvar="SELFJUDGE_VIEW_KEY")
    ] = None,
) -> None:
    """Look into a run: pairs, traces, verdicts, reasons, benchmarks; compare two judges or runs; annotate.

    Opens pages on this machine alone, under an address with a key. Reads the run folder and never changes it; labels of a
    person are stored beside it, in RUN.annotations. A run that is under way is followed.
    """
    _check_installed()
    import uvicorn

    from ..view.app import create_app
    from ..view.index import RunIndex

    indices = [RunIndex(folder) for folder in (run, other) if folder is not None]
    key = key or secrets.token_urlsafe(12)
    config = uvicorn.Config(create_app(indices, key), log_level="warning", access_log=False)
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        hint = "Name another port (--port), or 0 for a free one."
        raise InputError(f"cannot listen on port {port}: {error.strerror}", hint=hint) from error
    say(f"http://127.0.0.1:{listening.getsockname()[1]}/{key}/  (Ctrl-C stops)")
    uvicorn.Server(config).run(sockets=[listening])


def _check_installed() -> None:
    """Raises SelfjudgeError without the packages of the viewer."""
    try:
        import uvicorn  # noqa: F401

        from ..view import app  # noqa: F401
    except ImportError as error:
        from ..errors import SelfjudgeError, failed_import

        message, hint = failed_import(error, "`selfjudge view`", extra="view")
        raise SelfjudgeError(message, hint=hint) from error
