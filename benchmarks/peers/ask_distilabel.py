"""distilabel: a pipeline of a loading step and `TextGeneration` over `OpenAILLM`; a batch of requests is in flight at once."""

from __future__ import annotations

import os
import sys

from asked import CONCURRENCY, prompts

url, count, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.environ["HOME"] = folder  # where its cache is


def main() -> None:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    with Pipeline(name="peer") as pipeline:
        rows = LoadDataFromDicts(data=[{"instruction": text} for text in prompts(count)], batch_size=CONCURRENCY)
        llm = OpenAILLM(
            model="m", base_url=url, api_key="none", generation_kwargs={"temperature": 0.6, "top_p": 0.9, "max_new_tokens": 1024}
        )
        rows >> TextGeneration(llm=llm, input_batch_size=CONCURRENCY)
    found = pipeline.run(use_cache=True)
    print(len(found["default"]["train"]))


if __name__ == "__main__":
    main()
