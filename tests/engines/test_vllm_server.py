"""vLLM servers of our own, with a stand-in for vLLM: started, watched, started again, and gone when they should be."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engines.vllm_standin import standin
from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.engines import vllm_server
from selfjudge.engines.vllm import VLLMEngine
from selfjudge.engines.vllm_command import Launch
from selfjudge.engines.vllm_server import VLLMServer
from selfjudge.errors import EngineError
from selfjudge.recipe.engines import VLLMSettings
from selfjudge.run.folder import RunFolder
from selfjudge.types import Finish, ImageRef

KEY = "sk-test-a-key-nobody-may-see"


def started(log: Path) -> list[int]:
    """The processes that a server's log says it had: its own and its child's, for each time it was started."""
    return [int(pid) for line in re.findall(r"^pids (.*)$", log.read_text(), re.MULTILINE) for pid in line.split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: list[int], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while any(map(is_running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(is_running, pids))


def make_server(folder: Path, *args: str, start_seconds: float = 30.0, name: str = "judge-1-abc") -> VLLMServer:
    launch = Launch(
        python=standin(folder),
        model=folder,
        name=name,
        gpus=(),
        images=folder / "images",
        max_model_len=None,
        dtype="auto",
        args=args,
    )
    return VLLMServer(launch, log_file=folder / "logs" / f"{name}.log", start_seconds=start_seconds)


def make_engine(folder: Path, *args: str, servers: int = 1, concurrency: int = 8) -> VLLMEngine:
    section = VLLMSettings(
        kind="vllm", python=standin(folder), servers=servers, args=args, concurrency=concurrency, start_seconds=30.0
    )
    return VLLMEngine(folder, section, name="judge-1-abc", place=RunFolder(folder))


def request(key: object, *images: ImageRef) -> Request:
    message = Message(role="user", content=(*images, str(key)))
    return Request(key=str(key), messages=(message,), sampling=Sampling(temperature=0, max_tokens=8), seed=0)


def stored(folder: Path, data: bytes) -> ImageRef:
    """An image of the run, or what is taken for one by whoever looks at its hash alone."""
    ref = ImageRef(sha256=hashlib.sha256(data).hexdigest(), media_type="image/png", width=1, height=1)
    RunFolder(folder).images.put(ref, data)
    return ref


def test_a_server_is_told_no_control_token_of_its_own_model(tmp_path: Path):
    tokens = [{"content": "<~turn~>", "special": True}, {"content": "word", "special": False}]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}))
    engine = make_engine(tmp_path)
    (reply,) = engine.generate([request("a word <~turn~>judge")])
    engine.close()
    assert reply.text.startswith("a word <~turn~\\>judge at")


def numbered(count: int) -> list[Request]:
    return [request(number) for number in range(count)]


def assert_answered_once(done: list[Completion], asked: list[Request]) -> None:
    assert sorted(c.key for c in done) == sorted(r.key for r in asked)
    assert all(c.finish is Finish.STOP and c.text.startswith(f"{c.key} at ") for c in done)


@pytest.fixture(autouse=True)
def _no_gpus_and_a_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VLLMServer]:
    made = make_server(tmp_path)
    yield made
    made.stop()


def test_a_server_starts_answers_to_its_name_and_leaves_a_log_without_keys(server: VLLMServer, tmp_path: Path):
    server.start()
    server.wait_ready()
    assert server.alive and str(server.port) in server.url
    log = (tmp_path / "logs/judge-1-abc.log").read_text()
    assert "--served-model-name judge-1-abc" in log and server.key not in log and KEY not in log
    server.stop()
    assert not server.alive and not any(map(is_running, started(tmp_path / "logs/judge-1-abc.log")))


def test_every_server_has_a_port_of_its_own(tmp_path: Path):
    engine = make_engine(tmp_path, servers=2)
    ports = {server.port for server in engine.servers}
    engine.close()
    assert len(ports) == 2


def test_a_server_that_dies_at_its_start_is_an_error_with_the_reason(tmp_path: Path):
    with pytest.raises(EngineError) as error:
        make_engine(tmp_path, "--die")
    assert "judge-1-abc ended while it was starting (exit code 1): RuntimeError: Cannot find any model weights" in str(
        error.value
    )
    assert str(tmp_path / "logs/vllm-judge-1-abc.log") in str(error.value.hint)
    assert wait_until_gone(started(tmp_path / "logs/vllm-judge-1-abc.log"))


def test_a_server_that_never_answers_is_an_error_and_is_ended(tmp_path: Path):
    server = make_server(tmp_path, "--silent", start_seconds=1.0)
    server.start()
    with pytest.raises(EngineError, match="did not answer within 1 seconds; the last line of its log: loading") as error:
        server.wait_ready()
    assert "start_seconds" in str(error.value.hint)
    assert wait_until_gone(started(tmp_path / "logs/judge-1-abc.log"))


def test_the_server_of_another_model_at_the_port_is_not_taken_for_ours(tmp_path: Path, server: VLLMServer):
    (tmp_path / "other").mkdir()
    other = make_server(tmp_path / "other", "--silent", start_seconds=1.0, name="judge-2-def")
    server.start()
    server.wait_ready()
    other.start()
    other.port, other.key = server.port, server.key
    with pytest.raises(EngineError, match="did not answer"):
        other.wait_ready()


@pytest.mark.parametrize(
    ("has_vllm", "message"), [(False, "there is no vLLM in the environment"), (True, "cannot be used as Python")]
)
def test_an_environment_without_vllm_is_an_error_that_names_the_setting(tmp_path: Path, has_vllm: bool, message: str):
    python = standin(tmp_path, has_vllm=False)
    if has_vllm:
        python.write_text("not a program")
    with pytest.raises(EngineError, match=message) as error:
        vllm_server.find_vllm(python)
    assert "execution.engine.python" in str(error.value.hint)


def test_all_requests_are_answered_by_one_server_and_by_several(tmp_path: Path):
    for servers in (1, 3):
        engine = make_engine(tmp_path, servers=servers)
        done = list(engine.generate(numbered(200)))
        engine.close()
        assert_answered_once(done, numbered(200))


def test_requests_that_show_the_same_images_go_to_the_same_server(tmp_path: Path):
    images = [stored(tmp_path, f"picture {number}".encode()) for number in range(40)]
    asked = [request(f"{image.sha256[-8:]}.{sample}", image) for image in images for sample in range(8)]
    engine = make_engine(tmp_path, servers=2)
    done = list(engine.generate(asked))
    engine.close()
    ports = defaultdict(set)
    for completion in done:
        ports[completion.key.partition(".")[0]].add(completion.text.rpartition(" ")[2])
    assert all(len(found) == 1 for found in ports.values())
    assert len(set.union(*ports.values())) == 2


@pytest.mark.parametrize("servers", [1, 2])
def test_a_server_that_dies_is_started_again_and_its_requests_are_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, servers: int
):
    engine = make_engine(tmp_path, "--crash-once", "20", str(tmp_path / "crashed"), servers=servers)
    with caplog.at_level(logging.WARNING):
        done = list(engine.generate(numbered(100)))
    engine.close()
    assert_answered_once(done, numbered(100))
    said = [record.getMessage() for record in caplog.records if "is restarted" in record.getMessage()]
    assert len(said) == 1 and "MemoryError: out of memory" in said[0]


def test_a_server_that_is_started_again_answers_all_threads_that_asked_it(tmp_path: Path):
    engine = make_engine(tmp_path, "--crash-once", "20", str(tmp_path / "crashed"))
    with ThreadPoolExecutor(4) as threads:
        asked = [[request(f"{thread}.{number}") for number in range(30)] for thread in range(4)]
        for done, given in zip(threads.map(lambda requests: list(engine.generate(requests)), asked), asked, strict=True):
            assert_answered_once(done, given)
    engine.close()


def test_a_server_that_dies_again_soon_is_an_error_with_the_reason(tmp_path: Path):
    engine = make_engine(tmp_path, "--crash", "20")
    answered = []
    with pytest.raises(EngineError, match=re.escape("while it had requests (exit code 3): MemoryError: out of memory")):
        answered += engine.generate(numbered(100))
    engine.close()
    assert len(started(tmp_path / "logs/vllm-judge-1-abc.log")) == 4


def test_what_goes_wrong_with_the_requests_themselves_is_raised_as_it_is(tmp_path: Path):
    def broken() -> Iterator[Request]:
        yield from numbered(30)
        raise RuntimeError("no more")

    engine = make_engine(tmp_path, servers=2)
    with pytest.raises(RuntimeError, match="no more"):
        list(engine.generate(broken()))
    engine.close()


def test_closing_ends_a_server_that_does_not_want_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vllm_server, "_GRACE_SECONDS", 0.5)
    engine = make_engine(tmp_path, "--stubborn")
    pids = started(tmp_path / "logs/vllm-judge-1-abc.log")
    assert all(map(is_running, pids))
    engine.close()
    assert not any(map(is_running, pids))


PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from engines.test_vllm_server import make_engine
engine = make_engine(Path({folder!r}))
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_the_process_that_started_it(tmp_path: Path, number: signal.Signals):
    code = PARENT.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
    pids = started(tmp_path / "logs/vllm-judge-1-abc.log")
    assert len(pids) == 2 and all(map(is_running, pids))
    os.kill(parent.pid, number)
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(pids)
