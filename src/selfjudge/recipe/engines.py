"""`execution.engine`: who generates text, by kind."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .section import PathName, Section


class TransformersSettings(Section):
    """Generation in this process, in batches."""

    kind: Literal["transformers"] = "transformers"
    """Also without a `kind`."""
    batch_size: int = Field(32, ge=1, le=256)
    """Requests generated together. Another size may round differently and so change a few texts."""
    device: str = "auto"
    """A torch device, or `auto`: the GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: as the checkpoint was saved."""


SERVERS: dict[str, tuple[str, str]] = {
    "openai": ("https://api.openai.com/v1", ""),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta/openai", ""),
    "anthropic": ("https://api.anthropic.com/v1", "seed logprobs"),
    "together": ("https://api.together.xyz/v1", ""),
    "openrouter": ("https://openrouter.ai/api/v1", ""),
    "vllm": ("http://localhost:8000/v1", ""),
    "sglang": ("http://localhost:30000/v1", ""),
    "ollama": ("http://localhost:11434/v1", "top_k"),
    "llamacpp": ("http://localhost:8080/v1", ""),
    "lmstudio": ("http://localhost:1234/v1", "logprobs"),
    "tgi": ("http://localhost:3000/v1", "top_k"),
}
"""Servers by name: the address, and the parameters that are ignored without a word, by the server's documentation. What a server
refuses needs no entry: the engine learns it from the refusal. `tests/engines/test_dialects.py` names the pages."""

_ADDRESS = r"https?://[^/@?#\s]+(/[^@?#\s]*)?(\?api-version=[\w.-]+)?"


class OpenAISettings(Section):
    """Generation by a server that speaks OpenAI's chat completions. Its key comes from OPENAI_API_KEY alone."""

    kind: Literal["openai"]
    base_url: str = Field("http://localhost:8000/v1", pattern=rf"^({_ADDRESS}|{'|'.join(SERVERS)})$")
    """The server's address, mostly with `/v1` at the end (Azure's may end with `?api-version=…`), or a name: `openai`, `gemini`,
    `anthropic`, `together` or `openrouter`; for one on this machine `vllm`, `sglang`, `ollama`, `llamacpp`, `lmstudio` or `tgi`,
    each at its default port. A named server is not sent the parameters that it is known to ignore. It holds no key."""

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url not in SERVERS and (
            not urlsplit(url).hostname or urlsplit(url).port == 0
        ):  # either raises ValueError if it is none
            raise ValueError("it names no host, or port 0")
        return url

    @property
    def address(self) -> str:
        """The server's address, without a slash at its end."""
        return SERVERS.get(self.base_url, (self.base_url, ""))[0].rstrip("/")

    @property
    def ignored(self) -> frozenset[str]:
        """The parameters that the server is known to ignore."""
        return frozenset(next((ignored.split() for url, ignored in SERVERS.values() if self._is_at(url)), ()))

    def _is_at(self, url: str) -> bool:
        """Whether this is the server at an address: by name, or by its host, unless that is this machine."""
        hosted = url.startswith("https:") and urlsplit(url).hostname == urlsplit(self.address).hostname
        return hosted or (self.base_url in SERVERS and self.address == url)

    concurrency: int = Field(64, ge=1, le=1_024)
    """The most requests at once; fewer while the server says that it is busy."""
    timeout_seconds: float = Field(600.0, gt=0)
    """The longest wait for one whole reply."""
    retries: int = Field(6, ge=0)
    """Further tries of a request that failed for want of a server; six take about a minute."""


class VLLMSettings(Section):
    """Generation by vLLM servers of our own: started for each judge, stopped before training, their logs in `RUN/logs`.

    Whatever else vLLM can be told goes into `args` or into its environment variables, such as VLLM_CPU_KVCACHE_SPACE.
    """

    kind: Literal["vllm"]
    python: PathName | None = None
    """The interpreter of the environment that has vLLM, as `.venv-vllm/bin/python`; without it, the one that runs selfjudge."""
    gpus_per_server: int = Field(1, ge=1)
    """GPUs that share one copy of the model (tensor parallel). Each server gets its own of those in CUDA_VISIBLE_DEVICES."""
    servers: int | None = Field(None, ge=1)
    """How many servers share the requests; without it as many as the GPUs allow, and one where there is no GPU."""
    max_model_len: int | None = Field(None, ge=1)
    """Tokens of prompt and reply together; without it, what the model's configuration says."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: as the checkpoint was saved."""
    args: tuple[str, ...] = ()
    """Further arguments of `vllm serve`, one word each: `[--gpu-memory-utilization, "0.85"]`. They win over ours."""
    concurrency: int = Field(256, ge=1, le=1_024)
    """The most requests at once at one server; it queues what it cannot take yet."""
    start_seconds: float = Field(1_200.0, gt=0)
    """How long a server may take to answer: it loads the model and, on a GPU, compiles it."""


class ScriptRule(Section):
    """One rule of the scripted engine: if `when` is found in the request's text, one of `replies` is the answer."""

    when: str
    """A regular expression, searched in the text of the last message."""
    replies: tuple[str, ...] = Field(min_length=1)
    """Drawn by the request's seed; `\\1` and `\\g<name>` stand for groups of `when`."""

    @model_validator(mode="after")
    def _can_be_applied(self) -> ScriptRule:
        try:
            found = re.compile(f"(?:{self.when})|", re.DOTALL).search("")
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"`when` is not a regular expression: {error}") from error
        for reply in self.replies:
            try:
                found.expand(reply)  # type: ignore[union-attr]  # it finds the empty text
            except (re.error, IndexError) as error:
                raise ValueError(f"the reply {reply!r:.60}: {error}") from error
        return self


class ScriptedSettings(Section):
    """No model: replies by rules. For trying out a recipe, and for tests."""

    kind: Literal["scripted"]
    rules: tuple[ScriptRule, ...] = Field(min_length=1)
    """The first that fits answers. A request that none fits fails."""
    seconds_per_request: float = Field(0.0, ge=0)
    """A pause before each reply."""


def _with_kind(value: Any) -> Any:
    """An engine section that names no kind is transformers'."""
    return {"kind": "transformers", **value} if isinstance(value, dict) else value


_Replica = Annotated[
    TransformersSettings | OpenAISettings | ScriptedSettings, Field(discriminator="kind"), BeforeValidator(_with_kind)
]


class RaySettings(Section):
    """Generation on a Ray cluster: replicas of another engine on its nodes. All of them must see the model folder."""

    kind: Literal["ray"]
    replica: _Replica = TransformersSettings()
    """The engine of each replica. The batches are its own, so the texts are those of this engine alone."""
    address: str | None = Field(None, pattern=r"^(auto|local|[^:/\s]+:\d+)$")
    """`HOST:PORT` of the head node, or `auto`. Without one the cluster that this machine belongs to; if there is none, one is
    started here and ended with the run. `selfjudge` itself runs on a node of the cluster."""
    replicas: Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    """How many, or `[least, most]` for a cluster that grows and shrinks. Without it as many as there is room for at the start."""
    gpus_per_replica: float = Field(1, ge=0)
    """0 on CPUs; a fraction shares a GPU."""
    cpus_per_replica: float = Field(1, gt=0)
    """CPUs that Ray reserves for a replica."""

    @model_validator(mode="after")
    def _whole_gpus(self) -> RaySettings:
        if self.gpus_per_replica > 1 and self.gpus_per_replica % 1:
            raise ValueError("gpus_per_replica above 1 must be whole")
        if isinstance(self.replicas, tuple) and self.replicas[0] > self.replicas[1]:
            raise ValueError("replicas must be [least, most]")
        return self


EngineSettings = Annotated[
    TransformersSettings | OpenAISettings | VLLMSettings | RaySettings | ScriptedSettings,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
