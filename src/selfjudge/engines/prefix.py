"""What requests have in common is computed once: samples of one prompt, and prompts that begin with the same images.

The cache of keys and values is filled in up to three steps: for what prompts have in common; for the rest of each prompt but its
last token; and, by the caller's `generate`, for that token of each request. Between two steps the rows of the cache are copied.
A gap, where one row is shorter than its neighbours, is masked like the padding on the left, and counts in no position. A window
or a state that moves over the tokens would count it, so with such layers only whole prompts are shared, which leaves no gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig

from ..chat import Message, Request
from ..types import ImageRef

Tokens = list[int]
Rows = list[int]


class CannotShareError(Exception):
    """What prompts have in common cannot be told by their tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Prompts of requests, and beginnings of prompts, without those that come again; and which each request and prompt has."""

    prompts: list[tuple[Message, ...]]
    prompt_of: Rows
    leaders: Rows
    """Of each beginning, the first prompt that has it: its images are encoded for all."""
    leader_of: Rows


def sharing(requests: Sequence[Request], *, beginnings: bool) -> Sharing:
    """What requests have in common; without `beginnings`, whole prompts only."""
    prompts: dict[tuple[Message, ...], int] = {}
    prompt_of = [prompts.setdefault(request.messages, len(prompts)) for request in requests]
    starts: dict[Any, int] = {}
    leader_of = [starts.setdefault(_beginning(prompt) if beginnings else prompt, len(starts)) for prompt in prompts]
    leaders = [leader_of.index(number) for number in range(len(starts))]
    return Sharing(prompts=list(prompts), prompt_of=prompt_of, leaders=leaders, leader_of=leader_of)


def _beginning(prompt: tuple[Message, ...]) -> tuple[Any, ...]:
    """A conversation up to its last image; all of it where there is none."""
    for place in range(len(prompt) - 1, -1, -1):
        turn = prompt[place]
        if turn.images:
            end = max(number for number, block in enumerate(turn.content) if isinstance(block, ImageRef))
            return (prompt[:place], turn.role, turn.content[: end + 1])
    return prompt


def only_full_attention(config: Any) -> bool:
    """Whether every layer sees all tokens before, however far they are."""
    text = config.get_text_config(decoder=True)
    return set(getattr(text, "layer_types", None) or ()) <= {"full_attention"} and not getattr(text, "sliding_window", None)


def token_rows(found: Sharing, raw: Sequence[Tokens], encoded: Sequence[Tokens]) -> list[Tokens]:
    """The tokens of each prompt: those of its leader up to the last image, and its own behind it.

    `raw` has the tokens of each prompt's text, in which an image is not yet as many tokens as it takes; `encoded`, those of the
    leaders as the model sees them. Raises CannotShareError.
    """
    rows = []
    for prompt, leader in enumerate(found.leader_of):
        ours, first, full = raw[prompt], raw[found.leaders[leader]], encoded[leader]
        tail = _in_common([first[::-1], full[::-1]])
        head = len(first) - tail
        if not tail or ours[:head] != first[:head]:
            raise CannotShareError("its processor writes the text around an image in a way of its own")
        rows.append(full[: len(full) - tail] + ours[head:])
    return rows


class Prefix:
    """The rows that a model has seen so far: tokens, mask and cache. `generate` goes on from `inputs`."""

    def __init__(self, model: Any, inputs: Any, *, keep: Sequence[int], pad: int) -> None:
        """Show a model the first `keep` tokens of each row, with the images; `inputs` are padded on the left."""
        self._model, self._pad = model, pad
        cut = _cut(dict(inputs), keep, pad)
        self.inputs: dict[str, Any] = {
            name: cut[name] for name in ("input_ids", "attention_mask", "cross_attention_mask") if name in cut
        }
        self._cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        self._see(cut)

    def follow(self, rows: Rows, tokens: Sequence[Tokens]) -> None:
        """Copy rows, and set tokens behind each; they are not shown yet."""
        ids = self.inputs["input_ids"]
        chosen = torch.tensor(rows, device=ids.device)
        width = max(map(len, tokens))
        added = torch.tensor([[self._pad] * (width - len(row)) + row for row in tokens], device=ids.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in tokens], device=ids.device)
        behind = {"input_ids": added, "attention_mask": mask}
        seen = self.inputs.get("cross_attention_mask")
        if seen is not None:  # text behind the last image sees the same as that before
            behind["cross_attention_mask"] = seen[chosen, -1:].expand(-1, width, *seen.shape[2:])
        self.inputs = {name: torch.cat([self.inputs[name][chosen], more], dim=1) for name, more in behind.items()}
        self.inputs["past_key_values"] = self._cache
        self._cache.batch_select_indices(chosen)
        for module in self._model.modules():  # how far an image sets back the positions behind it, where a family counts so
            if isinstance(deltas := getattr(module, "rope_deltas", None), torch.Tensor):
                module.rope_deltas = deltas[chosen]

    def see(self) -> None:
        """Show the model what was set behind."""
        self._see(self.inputs)

    def _see(self, inputs: dict[str, Any]) -> None:
        once = GenerationConfig(do_sample=False, max_new_tokens=1, pad_token_id=self._pad)
        self._model.generate(**{**inputs, "past_key_values": self._cache}, generation_config=once)


def _cut(inputs: dict[str, Any], keep: Sequence[int], pad: int) -> dict[str, Any]:
    """Rows as their first `keep` tokens, padded on the left again."""
    width, longest = inputs["input_ids"].shape[1], max(keep)
    starts = (width - inputs["attention_mask"].sum(dim=1)).tolist()
    for name, value in inputs.items():
        if value.ndim >= 2 and value.shape[:2] == (len(keep), width):
            cut = value.new_full((len(keep), longest, *value.shape[2:]), pad if name == "input_ids" else 0)
            for row, (start, kept) in enumerate(zip(starts, keep, strict=True)):
                cut[row, longest - kept :] = value[row, start : start + kept]
            inputs = {**inputs, name: cut}
    return inputs


def prefill(model: Any, found: Sharing, inputs: Any, tokens: Sequence[Tokens], *, pad: int) -> dict[str, Any]:
    """What `generate` goes on from: a row for each request, of which all but the end was seen. `inputs` are the leaders'."""
    in_steps = len(found.leaders) < len(found.prompts) < len(found.prompt_of)
    keep = _kept(found, tokens, leaving=2 if in_steps else 1)
    prefix = Prefix(model, inputs, keep=keep, pad=pad)
    rest = [row[keep[leader] :] for row, leader in zip(tokens, found.leader_of, strict=True)]
    rows = found.leader_of
    if in_steps:
        prefix.follow(rows, [row[:-1] for row in rest])
        prefix.see()
        rest, rows = [row[-1:] for row in rest], list(range(len(rest)))
    prefix.follow([rows[prompt] for prompt in found.prompt_of], [rest[prompt] for prompt in found.prompt_of])
    return prefix.inputs


def _kept(found: Sharing, tokens: Sequence[Tokens], *, leaving: int) -> list[int]:
    """How many tokens the prompts of each leader have in common, where so many of each prompt are left for the steps after."""
    members: list[list[Tokens]] = [[] for _ in found.leaders]
    for row, leader in zip(tokens, found.leader_of, strict=True):
        members[leader].append(row)
    return [min(_in_common(rows), min(map(len, rows)) - leaving) for rows in members]


def _in_common(rows: Sequence[Tokens]) -> int:
    """With how many equal tokens rows begin."""
    return next((place for place, column in enumerate(zip(*rows, strict=False)) if len(set(column)) > 1), min(map(len, rows)))
