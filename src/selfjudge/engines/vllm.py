"""Generation by vLLM servers of our own: one or several for one model, started here, asked over HTTP, and stopped by `close`.

A server that dies is started once more, and what it was asked is asked again; if it dies again soon, the engine is broken.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..chat import Completion, Request
from ..errors import EngineError
from ..method.strikes import unbroken
from ..run.folder import ImageStore
from .openai import OpenAIEngine
from .spread import Spread
from .vllm_command import Launch, gpu_groups, visible_gpus
from .vllm_server import VLLMServer

log = logging.getLogger(__name__)

_REPLY_SECONDS = 1_800.0
"""The longest wait for one whole reply; a dead server is noticed at once, whatever this is."""
_RETRIES = 3
"""A server that lives and fails has nobody else to wait for: a few tries in seconds are enough."""
_NOTICE_SECONDS = 5.0
"""How long after a broken connection a server may still be seen dying."""
_SOON_SECONDS = 600.0
"""A server that dies within this time of its second start is not started again."""


class VLLMEngine:
    """A model on vLLM servers. They call it by `name`, which no other model may have, and write to files in `logs`."""

    block = 1

    def __init__(
        self,
        model: Path,
        *,
        name: str,
        images: ImageStore,
        logs: Path,
        python: Path | None,
        gpus_per_server: int,
        servers: int | None,
        max_model_len: int | None,
        dtype: str,
        args: tuple[str, ...],
        concurrency: int,
        start_seconds: float,
    ) -> None:
        groups = gpu_groups(visible_gpus(), each=gpus_per_server, servers=servers)
        self._lanes: list[_Lane] = []
        for number, gpus in enumerate(groups):
            launch = Launch(
                python=python or Path(sys.executable),
                model=model.absolute(),
                name=name,
                gpus=gpus,
                images=images.folder.absolute(),
                max_model_len=max_model_len,
                dtype=dtype,
                args=args,
            )
            path = logs / (f"vllm-{name}.log" if len(groups) == 1 else f"vllm-{name}-{number}.log")
            server = VLLMServer(launch, log_file=path, start_seconds=start_seconds)
            self._lanes.append(_Lane(server, images, concurrency))
        self._open()

    @property
    def servers(self) -> tuple[VLLMServer, ...]:
        return tuple(lane.server for lane in self._lanes)

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        ways = [lane.answers for lane in self._lanes]
        return ways[0](iter(requests)) if len(ways) == 1 else Spread(ways).generate(requests)

    def stop_retrying(self) -> None:
        """See `OpenAIEngine`."""
        for lane in self._lanes:
            lane.stop_retrying()

    def close(self) -> None:
        for lane in self._lanes:
            lane.end()
        for lane in self._lanes:
            lane.stop()

    def _open(self) -> None:
        """Start all servers at once, and wait for them."""
        try:
            for lane in self._lanes:
                lane.server.start()
            for lane in self._lanes:
                lane.open()
        except BaseException:
            self.close()
            raise


class _Lane:
    """A server and the client that asks it. Both are made anew when the server dies."""

    def __init__(self, server: VLLMServer, images: ImageStore, concurrency: int) -> None:
        self.server = server
        self._images = images
        self._concurrency = concurrency
        self._client: OpenAIEngine
        self._watcher: threading.Thread
        self._restarted = -float("inf")
        self._opened = self._ended = False

    def open(self) -> None:
        """Wait for the server, and open the client, which is closed as soon as the server dies."""
        self.server.wait_ready()
        self._client = OpenAIEngine(
            self.server.launch.name,
            read_image=self._images.get,
            image_path=self._images.path,
            base_url=self.server.url,
            concurrency=self._concurrency,
            timeout_seconds=_REPLY_SECONDS,
            retries=_RETRIES,
            key=self.server.key,
        )
        self._opened = True
        self._watcher = threading.Thread(target=self._watch, args=(self._client,), name="selfjudge-vllm", daemon=True)
        self._watcher.start()

    def answers(self, requests: Iterator[Request]) -> Iterator[Completion]:
        """The completions, those included that a server took with it when it died. Raises EngineError."""
        asked: dict[str, Request] = {}
        while True:
            try:
                answers = self._client.generate(_missing(asked, requests))
                for completion in unbroken(answers, asked, name=self.server.launch.name):
                    del asked[completion.key]
                    yield completion
                return
            except EngineError as error:
                self._recover(error, len(asked))

    def stop_retrying(self) -> None:
        self._client.stop_retrying()

    def end(self) -> None:
        self._ended = True
        if self._opened:
            self._client.close()
        self.server.end()

    def stop(self) -> None:
        """Wait until all has ended."""
        self.server.stop()
        if self._opened:
            self._watcher.join()

    def _watch(self, client: OpenAIEngine) -> None:
        self.server.wait_dead(None)
        client.close()

    def _recover(self, error: EngineError, unanswered: int) -> None:
        """Start a server that has died once more. Raises the error itself where the server lives or was ended."""
        if self._ended or not self.server.wait_dead(_NOTICE_SECONDS):
            raise error
        death = self.server.death("while it was asked")
        if time.monotonic() - self._restarted < _SOON_SECONDS:
            raise death from error
        log.warning("%s; it is started once more, and %d requests are asked again", death, unanswered)
        self.server.start()
        self.open()
        self._restarted = time.monotonic()


def _missing(asked: dict[str, Request], requests: Iterator[Request]) -> Iterator[Request]:
    """What was asked and not answered, and then what was not asked yet, of which `asked` takes note."""
    yield from tuple(asked.values())
    for request in requests:
        asked[request.key] = request
        yield request
