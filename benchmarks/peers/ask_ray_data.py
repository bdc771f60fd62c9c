"""Ray Data LLM's HTTP processor into Parquet files, with one worker as in its own example.

Its workers take a core each, and the pipeline needs another one: on two cores, two workers would wait for ever.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from asked import prompts

url, count, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def main() -> None:
    import ray
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    def payload(row: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "user", "content": row["item"]}
        return {"payload": {"model": "m", "messages": [message], "temperature": 0.6, "top_p": 0.9, "max_tokens": 1024}}

    def answer(row: dict[str, Any]) -> dict[str, Any]:
        return {"trace": row["http_response"]["choices"][0]["message"]["content"]}

    ray.init(log_to_driver=False)
    workers = max(1, (os.cpu_count() or 1) - 1)
    config = HttpRequestProcessorConfig(url=f"{url}/chat/completions", concurrency=workers, batch_size=64)
    found = build_processor(config, preprocess=payload, postprocess=answer)(ray.data.from_items(prompts(count)))
    found.write_parquet(f"{folder}/answers")
    print(ray.data.read_parquet(f"{folder}/answers").count())
    ray.shutdown()


if __name__ == "__main__":
    main()
