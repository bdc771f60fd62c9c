"""Rows for Llama-3.2-Vision, which uses cross-attention: TRL's collator and the processor need two corrections.

TRL joins prompt and reply, but leaves the cross-attention mask as long as the prompt. And the processor adds a start of text to
every text without one, also to the reply.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from transformers import MllamaProcessor
from transformers.models.mllama.processing_mllama import (
    convert_sparse_cross_attention_mask_to_dense,
    get_cross_attention_token_mask,
)
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling


class CrossAttentionCollator(DataCollatorForVisionLanguageModeling):  # type: ignore[misc]
    """TRL's collator with a mask for the whole row, and one start-of-text token."""

    def _collate_prompt_completion(self, examples: list[dict[str, Any]]) -> Any:
        rows = super()._collate_prompt_completion(examples)
        if "cross_attention_mask" in rows:
            rows["cross_attention_mask"] = self._mask(rows["input_ids"].tolist(), rows["aspect_ratio_mask"])
        return rows

    def _mask(self, rows: list[list[int]], tiles: torch.Tensor) -> torch.Tensor:
        """The processor's mask, of shape (rows, tokens, images, tiles). `tiles` is 1 for each tile that an image fills."""
        mask = convert_sparse_cross_attention_mask_to_dense(
            [get_cross_attention_token_mask(row, self.processor.image_token_id) for row in rows],
            num_tiles=tiles.sum(dim=-1).tolist(),
            max_num_tiles=tiles.shape[-1],
            length=len(rows[0]),
        )
        return torch.from_numpy(mask)


def collator_for(processor: Any) -> CrossAttentionCollator | None:
    """The collator of the model's family; None if TRL's is right."""
    if not isinstance(processor, MllamaProcessor):
        return None
    once = copy(processor)
    once.bos_token = ""  # it is in the chat template
    return CrossAttentionCollator(processor=once, completion_only_loss=True, max_length=None)
