"""A server that answers as the Hugging Face hub does, as far as its libraries ask: repositories are folders OWNER/NAME."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

COMMIT = "a" * 40

Fault = Callable[[str], object]
"""Status and error code with which a request for a path fails, as a tuple; None where it does not."""


@contextmanager
def serving(
    root: Path, *, fault: Fault = lambda path: None, licence: str = "mit", commits: Sequence[str] = (COMMIT,)
) -> Iterator[str]:
    """The endpoint at which the folders of `root` are served, each as a model and as a data set.

    `commits` are what `main` names, one after the other, and the last one ever after; all hold the same files.
    """

    class Handler(_Handler):
        repositories = root
        fails = staticmethod(fault)

    Handler.card, Handler.known, Handler.heads = {"license": licence}, {"main", *commits}, list(commits)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    repositories: Path
    fails: Fault
    card: dict[str, str]
    known: set[str]
    heads: list[str]

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        parts = path.strip("/").split("/")
        if (fault := self.fails(path)) is not None:
            self.send(b"{}", *fault)
        elif parts[:2] in (["api", "datasets"], ["api", "models"]):
            self.describe("/".join(parts[2:4]), parts[4:])
        elif (parts := parts[parts[0] == "datasets" :])[2:3] == ["resolve"]:
            self.send_file(self.repositories.joinpath(*parts[:2], *parts[4:]), parts[3])
        else:
            self.send(b"{}", 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        """The kinds of some paths."""
        parts = unquote(self.path).strip("/").split("/")
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["paths"]
        folder = self.repositories.joinpath(*parts[2:4])
        self.send(json.dumps([_entry(folder, folder / path) for path in asked if (folder / path).exists()]).encode())

    def describe(self, name: str, rest: list[str]) -> None:
        """A repository, or one of its folders."""
        folder = self.repositories / name
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not folder.is_dir():
            self.send(b"{}", 404, "RepoNotFound")
        elif rest[:1] == ["tree"]:
            place = folder.joinpath(*rest[2:])
            found = files if "recursive=true" in self.path.lower() else sorted(place.iterdir()) if place.is_dir() else []
            self.send(json.dumps([_entry(folder, path) for path in found]).encode())
        elif rest[:1] == ["revision"] and rest[1] not in self.known:
            self.send(b"{}", 404, "RevisionNotFound")
        else:
            siblings = [{"rfilename": str(path.relative_to(folder))} for path in files]
            asked = rest[1] if rest[:1] == ["revision"] else "main"
            sha = asked if asked != "main" else self.heads.pop(0) if len(self.heads) > 1 else self.heads[0]
            self.send(json.dumps({"id": name, "sha": sha, "siblings": siblings, "cardData": self.card}).encode())

    def send_file(self, path: Path, revision: str) -> None:
        if path.is_file():
            self.send(path.read_bytes(), commit=self.heads[-1] if revision == "main" else revision)
        else:
            self.send(b"{}", 404, "EntryNotFound")

    def send(self, data: bytes, status: int = 200, code: str = "", commit: str = COMMIT) -> None:
        """An answer, or the part of it that is asked for."""
        etag = hashlib.sha256(data).hexdigest()
        if status == 200 and (wanted := self.headers.get("Range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            part = data[int(first) : int(last) + 1 if last else None]
            span, status, data = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}", 206, part
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", commit)
        if code:
            self.send_header("X-Error-Code" if " " not in code else "X-Error-Message", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *values: object) -> None:
        """Say nothing."""


def _entry(folder: Path, path: Path) -> dict[str, object]:
    kind = {"type": "file", "size": path.stat().st_size} if path.is_file() else {"type": "directory"}
    return {**kind, "path": str(path.relative_to(folder)), "oid": hashlib.sha1(path.name.encode()).hexdigest()}
