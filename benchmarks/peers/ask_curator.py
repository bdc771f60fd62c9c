"""bespokelabs-curator: a `curator.LLM` over its OpenAI backend, with limits that do not limit."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asked import CONCURRENCY, prompts

url, count, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.environ.update(CURATOR_CACHE_DIR=folder, OPENAI_API_KEY="none", TELEMETRY_ENABLED="false", LITELLM_LOCAL_MODEL_COST_MAP="True")
# it wants a table of tokens from the net, which one of its own dependencies brings along
os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(str(find_spec("litellm").origin)).parent / "litellm_core_utils" / "tokenizers")  # type: ignore[union-attr]

from bespokelabs import curator  # noqa: E402 - it reads its settings when it is imported


class Judge(curator.LLM):
    """The prompt as it is, the reply as it is."""

    def prompt(self, row: dict[str, Any]) -> str:
        return str(row["prompt"])

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        return {**row, "trace": response}


def main() -> None:
    limits = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 10_000_000_000}
    judge = Judge(
        model_name="m",
        backend="openai",
        generation_params={"temperature": 0.6, "top_p": 0.9, "max_tokens": 1024},
        backend_params={"base_url": url, "max_concurrent_requests": CONCURRENCY, **limits},
    )
    found = judge([{"prompt": text} for text in prompts(count)])
    print(len(found.dataset))


if __name__ == "__main__":
    main()
