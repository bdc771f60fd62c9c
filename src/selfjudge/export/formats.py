"""One record of each format, from a pair or a trace of a run. Pure: files are written by `writing`.

Made after: TRL's dataset formats (conversational prompt-completion and preference, with `images`); LLaMA-Factory's
`data/README.md` (sharegpt with `ranking`); ms-swift's custom datasets (`messages`, `rejected_response`, `images`); verl's
preparation of data for RL (`data_source`, `prompt`, `images`, `ability`, `reward_model`, `extra_info`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..chat import Message
from ..run.tables import Row

Record = dict[str, Any]

_MARK = "<image>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: what its records are made of, how, and in which kind of file.

    embeds   whether images are in the records as bytes, or named by their path
    """

    of: Literal["pairs", "traces"]
    record: Callable[[Row, Sequence[Any]], Record]
    file: Literal["jsonl", "json", "parquet"]
    embeds: bool = False


def _blocks(text: str, images: Sequence[Any]) -> list[Record]:
    return [*({"type": "image", "text": None} for _ in images), {"type": "text", "text": text}]


def _turn(role: str, text: str, images: Sequence[Any] = ()) -> Record:
    return {"role": role, "content": _blocks(text, images)}


def judge_turn(message: Message) -> str:
    """The words of a judge's prompt; its images come first, as in the columns of `trl-sft`."""
    return "".join(block for block in message.content if isinstance(block, str))


def trl_sft(row: Row, images: Sequence[Any]) -> Record:
    return {
        "prompt": [_turn("user", row["judge_prompt"], images)],
        "completion": [_turn("assistant", row["trace"])],
        "images": list(images),
    }


def trl_preference(row: Row, images: Sequence[Any]) -> Record:
    return {
        "prompt": [_turn("user", row["prompt"], images)],
        "chosen": [_turn("assistant", row["chosen"])],
        "rejected": [_turn("assistant", row["rejected"])],
        "images": list(images),
    }


def _unmarked(text: str) -> str:
    """A text without marks: where a format counts them, each stands for an image."""
    return text.replace(_MARK, "< image>")


def _marked(row: Row, images: Sequence[Any]) -> str:
    return _MARK * len(images) + _unmarked(row["prompt"])


def llamafactory(row: Row, images: Sequence[Any]) -> Record:
    return {
        "conversations": [{"from": "human", "value": _marked(row, images)}],
        "chosen": {"from": "gpt", "value": _unmarked(row["chosen"])},
        "rejected": {"from": "gpt", "value": _unmarked(row["rejected"])},
        "images": list(images),
    }


def llamafactory_info(name: str, file: str) -> Mapping[str, Any]:
    """The entry of `dataset_info.json`."""
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"}
    return {name: {"file_name": file, "formatting": "sharegpt", "ranking": True, "columns": columns}}


def ms_swift(row: Row, images: Sequence[Any]) -> Record:
    return {
        "messages": [
            {"role": "user", "content": _marked(row, images)},
            {"role": "assistant", "content": _unmarked(row["chosen"])},
        ],
        "rejected_response": _unmarked(row["rejected"]),
        "images": list(images),
    }


def verl(row: Row, images: Sequence[Any]) -> Record:
    return {
        "data_source": "selfjudge",
        "prompt": [{"role": "user", "content": _marked(row, images)}],
        "images": list(images),
        "ability": row["kind"],
        "reward_model": {"style": "model", "ground_truth": _unmarked(row["chosen"])},
        "extra_info": {
            "id": row["id"],
            "iteration": row["iteration"],
            "question": _unmarked(row["prompt"]),  # with the images, for `rewards.compute_score`
            "rejected": _unmarked(row["rejected"]),
            "images": list(images),
        },
    }


def plain(row: Row, images: Sequence[Any]) -> Record:
    return {**row, "images": list(images)}


FORMATS: Mapping[str, Format] = {
    "trl-sft": Format(of="traces", record=trl_sft, file="parquet", embeds=True),
    "trl-preference": Format(of="pairs", record=trl_preference, file="parquet", embeds=True),
    "llamafactory": Format(of="pairs", record=llamafactory, file="json"),
    "ms-swift": Format(of="pairs", record=ms_swift, file="jsonl"),
    "verl": Format(of="pairs", record=verl, file="parquet", embeds=True),
    "hf": Format(of="pairs", record=plain, file="parquet", embeds=True),
    "jsonl": Format(of="pairs", record=plain, file="jsonl"),
}
