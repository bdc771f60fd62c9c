"""Generation by vLLM servers of our own: one or several for one model, started here, asked over HTTP, and stopped by `close`.

A server that dies is started once more, and unanswered requests are asked again; if it dies again soon, the engine raises.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..chat import Completion, Request
from ..errors import EngineError
from ..method.strikes import unbroken
from ..processors import control_tokens_in, plain
from ..recipe.engines import OpenAISettings, VLLMSettings
from ..run.folder import RunFolder
from .openai import OpenAIEngine
from .vllm_command import Launch, gpu_groups, visible_gpus
from .vllm_server import VLLMServer

log = logging.getLogger(__name__)

_REPLY_SECONDS = 1_800.0
"""Longest wait for a whole reply; a dead server is noticed at once."""
_RETRIES = 3
_NOTICE_SECONDS = 5.0
"""How long after a broken connection a server may still be found dead."""
_SOON_SECONDS = 600.0
"""A server that dies within this time after its second start is not started again."""


class VLLMEngine:
    """A model on vLLM servers, served as `name`, which no other model may have. Images and logs are in the run folder."""

    block = 1
    continues = True

    def __init__(self, model: Path, settings: VLLMSettings, *, name: str, place: RunFolder) -> None:
        self.servers: list[VLLMServer] = []
        self._name, self._images = name, place.images
        self._marks = control_tokens_in(model)
        self._concurrency = settings.concurrency
        self._recovering = threading.Lock()
        self._restarted: dict[VLLMServer, float] = {}
        self._client: OpenAIEngine | None = None
        self._ended = False
        groups = gpu_groups(visible_gpus(), each=settings.gpus_per_server, servers=settings.servers)
        for number, gpus in enumerate(groups):
            launch = Launch(
                python=settings.python or Path(sys.executable),
                model=model.absolute(),
                name=name,
                gpus=gpus,
                images=place.images.folder.absolute(),
                max_model_len=settings.max_model_len,
                dtype=settings.dtype,
                args=settings.args,
            )
            log_file = place.root / "logs" / (f"vllm-{name}.log" if len(groups) == 1 else f"vllm-{name}-{number}.log")
            self.servers.append(VLLMServer(launch, log_file=log_file, start_seconds=settings.start_seconds))
        try:
            self._start(self.servers)
        except BaseException:
            self.close()
            raise

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """See `ports.Engine`. What a server had when it died is asked again. Raises EngineError."""
        asked: dict[str, Request] = {}
        requests = map(self._plain, requests)
        while True:
            client = self._client
            try:
                if client is None:
                    raise EngineError("the engine was closed", hint="Open another engine.")
                for completion in unbroken(client.generate(_unanswered(asked, requests)), asked, name=self._name):
                    del asked[completion.key]
                    yield completion
                return
            except EngineError as error:
                with self._recovering:
                    if client is self._client:  # or else another call has started the server again
                        self._recover(error, len(asked))

    def _plain(self, request: Request) -> Request:
        """With the control tokens of this model broken: its server reads them in any text."""
        return replace(request, messages=tuple(plain(message, self._marks) for message in request.messages))

    def stop_retrying(self) -> None:
        """See `OpenAIEngine`."""
        if self._client is not None:
            self._client.stop_retrying()

    def close(self) -> None:
        self._ended = True
        if self._client is not None:
            self._client.close()
        for server in self.servers:
            server.end()
        for server in self.servers:
            server.stop()

    def _start(self, servers: Iterable[VLLMServer]) -> None:
        """Start servers at once, wait for them, and open a client, which is closed as soon as a server dies."""
        for server in servers:
            server.start()
        for server in self.servers:
            server.wait_ready()
        settings = OpenAISettings(kind="openai", concurrency=self._concurrency, timeout_seconds=_REPLY_SECONDS, retries=_RETRIES)
        addresses = [(server.url, server.key) for server in self.servers]
        images = self._images
        self._client = OpenAIEngine(self._name, settings, read_image=images.get, image_path=images.checked, servers=addresses)
        for server in self.servers:
            watch = threading.Thread(target=_watch, args=(server, self._client), name="selfjudge-vllm", daemon=True)
            watch.start()

    def _recover(self, error: EngineError, unanswered: int) -> None:
        """Start dead servers once more. Raises the error itself if all live or the engine was closed."""
        dead = [] if self._ended else self._dead()
        if not dead:
            raise error
        for server in dead:
            death = server.death("while it had requests")
            if time.monotonic() - self._restarted.get(server, -_SOON_SECONDS) < _SOON_SECONDS:
                raise death from error
            self._restarted[server] = time.monotonic()
            log.warning("%s; it is restarted, and %d requests are asked again", death, unanswered)
        self._start(dead)

    def _dead(self) -> list[VLLMServer]:
        """The servers that are dead, or die within seconds: a connection breaks before its process ends."""
        until = time.monotonic() + _NOTICE_SECONDS
        while not (dead := [server for server in self.servers if not server.alive]) and time.monotonic() < until:
            time.sleep(0.05)
        return dead


def _watch(server: VLLMServer, client: OpenAIEngine) -> None:
    server.wait_dead(None)
    client.close()


def _unanswered(asked: dict[str, Request], requests: Iterator[Request]) -> Iterator[Request]:
    """The requests in `asked`, which have no answer yet, and then the others, which are entered there."""
    yield from tuple(asked.values())
    for request in requests:
        asked[request.key] = request
        yield request
