"""Our HTTP engine into a table, as a stage uses it."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
from asked import CONCURRENCY, prompts

from selfjudge.chat import Completion, Message, Request, Sampling
from selfjudge.ports import NamedEngine
from selfjudge.recipe.engines import OpenAISettings
from selfjudge.run.store import Table
from selfjudge.run.tables import JUDGMENTS, Row
from selfjudge.stages.asking import ask
from selfjudge.types import Order
from selfjudge.wiring import open_server


def to_row(request: Request, completion: Completion, model: str) -> Row:
    row: Row = dict.fromkeys(JUDGMENTS.schema.names)
    known = {"key": request.key, "pair_id": "p", "order": Order.CHOSEN_FIRST, "sample": 0, "judge": model}
    tokens = {"prompt_tokens": completion.prompt_tokens, "completion_tokens": completion.completion_tokens}
    return {**row, **known, **tokens, "trace": completion.text, "verdict": "first"}


def main() -> None:
    url, count, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=1024)
    requests = (
        Request(key=f"{n}", messages=(Message(role="user", content=(text,)),), sampling=sampling, seed=n)
        for n, text in enumerate(prompts(count))
    )
    engine = open_server("m", OpenAISettings(kind="openai", base_url=url, concurrency=CONCURRENCY), lambda _: b"")
    table = Table(folder, JUDGMENTS, {})
    ask(table, requests, NamedEngine(name="m", engine=engine), to_row, lambda *_: None)
    table.seal()
    engine.close()
    print(pq.read_metadata(folder / "judgments.parquet").num_rows)


if __name__ == "__main__":
    main()
