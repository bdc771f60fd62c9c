"""Rows for Llama-3.2-Vision: the mask of which token sees which image is as long as the row, and right in each of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoProcessor

from families.tiny import IMAGES, TALL, WIDE, folder
from selfjudge.run.images import decode
from selfjudge.trainers.cross_attention import collator_for
from selfjudge.types import ImageRef

EXAMPLES = [((WIDE,), "what is it?", "a cat"), ((TALL, WIDE), "which of both?", "the second, which is a dog")]


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoProcessor.from_pretrained(folder("mllama", tmp_path_factory.mktemp("models")))


def turn(role: str, text: str, images: int = 0) -> list[dict[str, Any]]:
    return [{"role": role, "content": [{"type": "image"}] * images + [{"type": "text", "text": text}]}]


def pictures(refs: tuple[ImageRef, ...]) -> list[Any]:
    return [decode(IMAGES[ref.sha256]) for ref in refs]


def test_a_row_is_what_the_processor_makes_of_its_whole_text(processor: Any):
    rows = [
        {"prompt": turn("user", asked, len(refs)), "completion": turn("assistant", reply), "images": pictures(refs)}
        for refs, asked, reply in EXAMPLES
    ]
    batch = collator_for(processor)(rows)
    for number, (refs, asked, reply) in enumerate(EXAMPLES):
        text = processor.apply_chat_template(turn("user", asked, len(refs)) + turn("assistant", reply), tokenize=False)
        whole = processor(text=text, images=pictures(refs), return_tensors="pt", add_special_tokens=False)
        length = whole["input_ids"].shape[1]
        assert batch["attention_mask"][number].sum() == length
        assert batch["input_ids"][number, :length].equal(whole["input_ids"][0])
        assert batch["cross_attention_mask"][number, :length, : len(refs)].equal(whole["cross_attention_mask"][0])


def test_the_processor_itself_is_left_as_it_was(processor: Any, tmp_path: Path):
    collator_for(processor)
    assert processor.bos_token == "<|begin_of_text|>"


def test_other_families_keep_the_collator_of_trl(tmp_path: Path):
    assert collator_for(AutoProcessor.from_pretrained(folder("gemma3", tmp_path))) is None
