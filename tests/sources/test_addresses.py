"""Images at addresses: fetched once, limited in size and time, and never from this machine or a private network."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from selfjudge.recipe.inputs import FilesSource
from selfjudge.run.images import BadImage
from selfjudge.sources import addresses
from selfjudge.sources.addresses import Fetcher
from selfjudge.sources.files import FilePrompts
from selfjudge.stages.ingest import admitted

_out = io.BytesIO()
Image.new("RGB", (8, 8), "red").save(_out, "PNG")
PNG = _out.getvalue()
PUBLIC = "93.184.216.34"
NAMES = {
    "pictures.example": [PUBLIC],
    "inside.example": ["10.1.2.3"],
    "both.example": [PUBLIC, "127.0.0.1"],
    "gone.example": [],
    "metadata.example": ["169.254.169.254"],
}


class Pictures(BaseHTTPRequestHandler):
    asked: Counter[str]

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        name, _, rest = self.path.strip("/").partition("/")
        if name == "to":
            return self.answer(302, b"", Location=rest.replace("_", "/"))
        if name == "status":
            return self.answer(int(rest), b"")
        if name == "busy" and self.asked[self.path] == 1:
            return self.answer(503, b"")
        if name == "short":
            return self.answer(200, PNG[:20], claimed=len(PNG))
        if name == "large":
            return self.answer(200, b"a" * 3000)
        if name == "slow":
            self.answer(200, b"", claimed=1000)
            for _ in range(40):
                time.sleep(0.05)
                try:
                    self.wfile.write(b"a")
                except OSError:
                    return None
        return self.answer(200, PNG)

    def answer(self, status: int, data: bytes, claimed: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data) if claimed is None else claimed)}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *values: object) -> None:
        """Say nothing."""


class Net:
    """Names as `NAMES` has them, and one server that answers for every address; what was connected to is remembered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connected: list[str] = []

    def resolve(self, host: str, port: int) -> Sequence[str]:
        if host not in NAMES and not set(host) <= set("0123456789abcdef.:"):
            return addresses.resolve(host, port)
        return NAMES.get(host, [host])

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append(address)
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    monkeypatch.setattr(addresses, "_PAUSE", 0.0)
    Pictures.asked = Counter()
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Net(server.server_port)
        server.shutdown()


def fetcher(net: Net, cache: Path | None = None) -> Fetcher:
    return Fetcher(cache, resolve=net.resolve, connect=net.connect)


@pytest.mark.parametrize("path", ["1.png", "a b/ü.png?x=1&y=ä", "busy/1.png", "to/_2.png", "to/http:__pictures.example_3.png"])
def test_an_image_is_fetched_from_the_address_that_was_looked_at(net: Net, path: str):
    assert fetcher(net).get(f"http://pictures.example/{path}") == PNG
    assert set(net.connected) == {PUBLIC}


def test_an_image_is_fetched_once(net: Net, tmp_path: Path):
    for _ in range(2):
        assert fetcher(net, tmp_path / "fetched").get("http://pictures.example/1.png") == PNG
    assert Pictures.asked == {"/1.png": 1}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://inside.example/1.png", "private_address"),
        ("http://both.example/1.png", "private_address"),
        ("http://gone.example/1.png", "private_address"),
        ("http://metadata.example/latest", "private_address"),
        ("http://127.0.0.1/1.png", "private_address"),
        ("http://[::1]/1.png", "private_address"),
        ("http://[::ffff:10.0.0.1]/1.png", "private_address"),
        ("http://[64:ff9b::7f00:1]/1.png", "private_address"),
        ("http://[2002:7f00:1::]/1.png", "private_address"),
        ("http://[fec0::1]/1.png", "private_address"),
        ("http://100.64.0.1/1.png", "private_address"),
        ("http://224.0.0.1/1.png", "private_address"),
        ("http://0.0.0.0/1.png", "private_address"),
        ("http://pictures.example/to/http:__inside.example_1.png", "private_address"),
        ("http://pictures.example/to/http:__127.0.0.1_1.png", "private_address"),
        ("http://pictures.example/to/file:__etc_passwd", "fetch_failed"),
        ("http://pictures.example/to/_to_", "fetch_failed"),
        ("http://user:pass@pictures.example/1.png", "fetch_failed"),
        ("http://pictures.example:99999/1.png", "fetch_failed"),
        ("http://", "fetch_failed"),
        ("http://a\0b.example/1.png", "fetch_failed"),
        (f"http://{'a' * 70}.example/1.png", "fetch_failed"),
        ("http://[x/1.png", "fetch_failed"),
        ("http://pictures.example/to/http:__[x_1.png", "fetch_failed"),
        ("https://pictures.example/1.png", "fetch_failed"),
        ("http://pictures.example/status/404", "fetch_failed"),
        ("http://pictures.example/status/500", "fetch_failed"),
        ("http://pictures.example/short/1.png", "fetch_failed"),
        ("http://pictures.example/slow/1.png", "fetch_failed"),
        ("http://pictures.example/large/1.png", "too_many_bytes"),
    ],
)
def test_what_may_not_or_cannot_be_fetched_is_refused_with_a_reason(
    net: Net, url: str, reason: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(addresses, "MOST_BYTES", 2000)
    monkeypatch.setattr(addresses, "SECONDS", 0.4)
    started = time.monotonic()
    with pytest.raises(BadImage) as refused:
        fetcher(net).get(url)
    assert refused.value.reason == reason and set(net.connected) <= {PUBLIC}
    assert time.monotonic() - started < 4


def test_a_name_that_changes_its_address_is_not_asked_again(net: Net, monkeypatch: pytest.MonkeyPatch):
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    made = Fetcher(None, resolve=lambda host, port: next(answers), connect=net.connect)
    assert made.get("http://pictures.example/1.png") == PNG and net.connected == [PUBLIC]


def test_this_machines_own_resolver_and_connection_reach_nothing_here(net: Net):
    for host in ("localhost", "127.0.0.1", "2130706433", "0x7f.1"):
        with pytest.raises(BadImage) as refused:
            Fetcher(None).get(f"http://{host}:{net.port}/1.png")
        assert refused.value.reason in ("private_address", "fetch_failed")
    assert not Pictures.asked


def rows(tmp_path: Path) -> Path:
    found = [{"prompt": "what?", "image": "http://pictures.example/1.png"}, {"prompt": "who?", "image": "ftp://x.example/1.png"}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in found))
    return tmp_path / "rows.jsonl"


def test_a_source_fetches_only_where_its_recipe_says_so(net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = list(FilePrompts(FilesSource(kind="files", path=rows(tmp_path))))
    assert [raw.problem for raw in plain] == ["not_fetched", "not_fetched"]
    monkeypatch.setattr("selfjudge.sources.files.Fetcher", lambda cache: fetcher(net, cache))
    source = FilePrompts(FilesSource(kind="files", path=rows(tmp_path), fetch_urls=True), tmp_path / "fetched")
    first, second = list(source)
    assert first.problem is None and second.problem == "not_fetched" and not Pictures.asked
    assert admitted(first, max_pixels=100, looking=False).images[0][1] == PNG
    assert len(list((tmp_path / "fetched").iterdir())) == 1
