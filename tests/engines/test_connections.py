"""How a server is reached: proxies, certificates, large bodies, and a caller that was away."""

from __future__ import annotations

import select
import shutil
import ssl
import subprocess
import time
from itertools import count
from pathlib import Path

import pytest

from engines.asking import answers, echo, numbered, opened
from engines.serving import serving
from selfjudge.engines.connections import _Sockets
from selfjudge.errors import EngineError
from selfjudge.types import Finish


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-only")


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_a_server_elsewhere_is_asked_by_the_proxy_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch):
    with serving(echo) as proxy:
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        engine = opened("http://judge.example/v1")
        assert {done.text for done in engine.generate(numbered(3))} == {"0!", "1!", "2!"}
        engine.close()
    assert {asked.headers["Host"] for asked in proxy.asked} == {"judge.example"}


def test_a_server_that_no_proxy_names_and_one_on_this_machine_are_asked_directly(monkeypatch: pytest.MonkeyPatch):
    with serving(echo) as server, serving(echo) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        answers(server, numbered(3))
        monkeypatch.setenv("no_proxy", "judge.invalid")
        engine = opened("http://judge.invalid/v1")
        with pytest.raises(EngineError, match="cannot be reached"):
            list(engine.generate(numbered(1)))
        engine.close()
    assert len(server.asked) == 3 and not proxy.asked


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_must_be_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *made, *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with serving(echo, ssl_context=context) as server:
        engine = opened(server.url)
        with pytest.raises(EngineError, match="certificate"):
            list(engine.generate(numbered(1)))
        engine.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert len(answers(server, numbered(20))) == 20
    assert len(server.asked) == 20


def test_a_caller_that_was_away_for_longer_than_a_reply_may_take_loses_none():
    with serving(echo, seconds=0.05) as server:
        engine = opened(server.url, timeout_seconds=0.5, retries=0)
        replies = engine.generate(numbered(32))
        done = [next(replies)]
        time.sleep(1.0)
        done += replies
        engine.close()
    assert len(done) == len(server.asked) == 32 and all(reply.finish is Finish.STOP for reply in done)


def test_connections_are_kept():
    with serving(echo) as server:
        answers(server, numbered(300), concurrency=8)
    assert len(server.asked) == 300 and len(server.connections) <= 8


def test_a_system_without_epoll_does_as_well(monkeypatch: pytest.MonkeyPatch):
    with serving(echo, seconds=0.005) as server:
        monkeypatch.delattr(select, "epoll")
        started = time.monotonic()
        assert len(answers(server, numbered(300), concurrency=8)) == 300
    assert len(server.asked) == 300 and time.monotonic() - started < 5


def test_an_interrupt_while_libcurl_is_at_work_comes_through_and_does_it_no_harm(monkeypatch: pytest.MonkeyPatch):
    watch, calls = _Sockets._watch, count()

    def interrupted(self: _Sockets, events: int, fd: int) -> None:
        if next(calls) == 40:
            raise KeyboardInterrupt
        watch(self, events, fd)

    monkeypatch.setattr(_Sockets, "_watch", interrupted)
    with serving(echo, seconds=0.01) as server:
        engine = opened(server.url)
        with pytest.raises(KeyboardInterrupt):
            list(engine.generate(numbered(200)))
        assert len(list(engine.generate(numbered(50)))) == 50
        engine.close()
