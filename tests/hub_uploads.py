"""A stand-in of the hub that takes uploads as its library sends them without Xet: repositories in memory, faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_may_write"
DROP = -1
"""A fault: the connection ends without an answer."""

Fault = Callable[[str, str], int | None]
"""The status with which a request of this method and path fails, or DROP; None where it does not."""

_LARGE = (".safetensors", ".parquet")


@dataclass
class Repo:
    """A repository: its files now, all its commits, and what its tags name."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return next(reversed(self.commits), "0" * 40)

    def commit(self, files: dict[str, bytes]) -> str:
        self.files = files
        name = hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()
        self.commits[name] = dict(files)
        return name


@dataclass
class Hub:
    """What the stand-in has: `models/owner/name` and `datasets/owner/name`, and what it was asked for."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    fault: Fault = lambda method, path: None


@contextmanager
def taking_uploads() -> Iterator[Hub]:
    """An empty hub, while the block lasts."""
    state = Hub()

    class Handler(_Handler):
        hub = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def answer(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.hub.fault(self.command, path)
        if fault == DROP:
            self.connection.close()
            return
        if fault is None and not path.startswith("/lfs/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            fault = 401
        if fault is not None:
            self.send({"error": f"this is a {fault}"}, fault)
            return
        parts = path.strip("/").split("/")
        if parts[0] == "lfs":
            self.hub.blobs[parts[1]] = body
            self.send({})
        elif parts[-4:] == ["info", "lfs", "objects", "batch"]:
            self.send({"transfer": "basic", "objects": [self.large(o) for o in json.loads(body)["objects"]]})
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.send({"errors": [], "warnings": []})
        else:
            self.about(f"{parts[1]}/{parts[2]}/{parts[3]}", parts[4:], body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer  # noqa: N815

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('type', 'model')}s/{asked['organization']}/{asked['name']}"
        if name in self.hub.repos:
            self.send({"error": "You already created this repo", "url": f"{self.hub.url}/{name}"}, 409)
            return
        self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
        self.send({"url": f"{self.hub.url}/{name.removeprefix('models/')}"})

    def about(self, name: str, rest: list[str], body: bytes) -> None:
        """A request about one repository."""
        repo = self.hub.repos.get(name)
        if repo is None:
            self.send({"error": "Repository not found"}, 404)
        elif rest[:1] == ["preupload"]:
            self.send({"files": [self.mode(repo, file["path"]) for file in json.loads(body)["files"]]})
        elif rest[:1] == ["commit"]:
            oid = repo.commit(self.changed(repo, [json.loads(line) for line in body.splitlines()]))
            self.send({"commitUrl": f"{self.hub.url}/{name.removeprefix('models/')}/commit/{oid}", "commitOid": oid})
        elif rest[:1] == ["tag"] and self.command == "DELETE":
            repo.tags.pop(rest[1])
            self.send({})
        elif rest[:1] == ["tag"]:
            tag = json.loads(body)["tag"]
            taken = tag in repo.tags
            repo.tags.setdefault(tag, rest[1])
            self.send({"error": "Tag reference exists already"} if taken else {}, 409 if taken else 200)
        elif rest[:1] == ["tree"]:
            self.send(
                [{"type": "file", "path": path, "oid": _oid(path, data), "size": len(data)} for path, data in repo.files.items()]
            )
        else:
            files = [{"rfilename": path} for path in repo.files]
            self.send({"id": name.partition("/")[2], "sha": repo.head, "siblings": files, "private": repo.private})

    def mode(self, repo: Repo, path: str) -> dict[str, Any]:
        oid = _oid(path, repo.files[path]) if path in repo.files else None
        return {"path": path, "uploadMode": "lfs" if path.endswith(_LARGE) else "regular", "shouldIgnore": False, "oid": oid}

    def large(self, wanted: dict[str, Any]) -> dict[str, Any]:
        known = wanted["oid"] in self.hub.blobs
        return wanted if known else {**wanted, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}}

    def changed(self, repo: Repo, lines: list[dict[str, Any]]) -> dict[str, bytes]:
        files = dict(repo.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        return files

    def send(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *values: object) -> None:
        """Say nothing."""


def _oid(path: str, data: bytes) -> str:
    """How git, or its store of large files, calls this content."""
    if path.endswith(_LARGE):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
