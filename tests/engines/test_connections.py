"""How a server is reached: proxies, certificates, large bodies, and a caller that was away."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from engines.asking import answers, echo, free_port, numbered, opened
from engines.serving import serving, silent
from selfjudge.errors import EngineError
from selfjudge.recipe.engines import OpenAISettings
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


def test_an_interrupt_comes_through_and_does_no_harm():
    with serving(echo, seconds=0.05) as server:
        engine = opened(server.url)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            list(engine.generate(numbered(2_000)))
        assert len(list(engine.generate(numbered(50)))) == 50
        engine.close()
    assert len(server.asked) < 2_000


def test_a_request_that_is_left_is_ended_at_the_server_too():
    with serving(lambda asked: echo(asked) if asked.number == 0 else silent) as server:
        engine = opened(server.url, concurrency=4)
        replies = engine.generate(numbered(100))
        assert next(replies).text == "0!"
        replies.close()
        assert eventually(lambda: server.now == 0)
        engine.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "localhost", "LOCALHOST", "localhost.", "judge.localhost", "0.0.0.0", "[::1]"]
)
def test_no_proxy_is_asked_for_this_machine_however_it_is_spelled(host: str, monkeypatch: pytest.MonkeyPatch):
    with serving(echo) as proxy:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        engine = opened(f"http://{host}:{free_port()}/v1", retries=0)
        with suppress(EngineError):
            list(engine.generate(numbered(1)))
        engine.close()
    assert not proxy.asked and not proxy.listed


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://host:abc/v1", "http://host:99999/v1", "http://:8000/v1", "http:///v1"])
def test_an_address_that_is_none_is_an_error_in_words(url: str):
    with pytest.raises(ValidationError):
        OpenAISettings(kind="openai", base_url=url)


def test_certificates_that_cannot_be_read_are_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "none.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(EngineError, match=r"cannot read certificates from .*none\.pem") as error:
        opened("https://127.0.0.1/v1")
    assert "SSL_CERT_FILE" in str(error.value.hint)


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()
