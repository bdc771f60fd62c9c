"""A server that speaks as the Hugging Face hub does, as far as its libraries ask: data sets are folders OWNER/NAME."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

COMMIT = "a" * 40


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """The endpoint under which the data sets in a folder are served; every one has one commit, `main`."""

    class Handler(_Handler):
        data_sets = root

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    data_sets: Path

    def do_GET(self) -> None:
        parts = unquote(self.path.partition("?")[0]).strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            self.tell("/".join(parts[2:4]), parts[4:])
        elif parts[0] == "datasets" and parts[3:4] == ["resolve"]:
            self.send_file(self.data_sets.joinpath(*parts[1:3], *parts[5:]))
        else:
            self.send(b"{}", 404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        """The kinds of some paths."""
        parts = unquote(self.path).strip("/").split("/")
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["paths"]
        folder = self.data_sets.joinpath(*parts[2:4])
        self.send(json.dumps([_entry(folder, folder / path) for path in asked if (folder / path).exists()]).encode())

    def tell(self, name: str, rest: list[str]) -> None:
        """What a data set is, or what one of its folders holds."""
        folder = self.data_sets / name
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not folder.is_dir():
            self.send(b"{}", 404, "RepoNotFound")
        elif rest[:1] == ["tree"]:
            place = folder.joinpath(*rest[2:])
            found = files if "recursive=true" in self.path.lower() else sorted(place.iterdir()) if place.is_dir() else []
            self.send(json.dumps([_entry(folder, path) for path in found]).encode())
        elif rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
            self.send(b"{}", 404, "RevisionNotFound")
        else:
            siblings = [{"rfilename": str(path.relative_to(folder))} for path in files]
            self.send(json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode())

    def send_file(self, path: Path) -> None:
        if path.is_file():
            self.send(path.read_bytes())
        else:
            self.send(b"{}", 404, "EntryNotFound")

    def send(self, data: bytes, status: int = 200, code: str = "") -> None:
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
        self.send_header("X-Repo-Commit", COMMIT)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *values: object) -> None:
        """Say nothing."""


def _entry(folder: Path, path: Path) -> dict[str, object]:
    kind = {"type": "file", "size": path.stat().st_size} if path.is_file() else {"type": "directory"}
    return {**kind, "path": str(path.relative_to(folder)), "oid": "0" * 40}
