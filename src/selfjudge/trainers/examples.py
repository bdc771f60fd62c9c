"""Training examples as tensors: each is processed alone by the model's processor, and kept if there is room.

Processing alone makes an example's tensors independent of its neighbours, so they can be measured before training and used in
every epoch. Threads process the next batches of the plan, each with its own processor: tokenizers are not thread-safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, local
from typing import Any

import torch
from torch.nn.functional import pad
from torch.utils.data import Dataset
from transformers import AutoProcessor, MllamaProcessor
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from ..chat import ASSISTANT, Message
from ..ports import Advance, Example, ReadImage
from ..processors import control_tokens, plain
from ..run.disk import read_json
from ..run.images import decode
from . import weights
from .cross_attention import collator_for
from .plan import BatchPlan

Tensors = dict[str, torch.Tensor]

IGNORED = -100
_SEQUENCES = {"input_ids": 0, "labels": IGNORED, "attention_mask": 0, "token_type_ids": 0, "mm_token_type_ids": 0}
"""Tensors of shape (1, tokens) and their padding values; that of `input_ids` is the tokenizer's."""
_CROSS = "cross_attention_mask"  # of Llama-3.2-Vision: (1, tokens, images, tiles)
_SOME_REPLY = "It is this one."
_AHEAD = 4  # micro-batches that threads work ahead


@dataclass(slots=True)
class _Entry:
    """An example, its length in tokens once measured, and its tensors while they are kept or processed."""

    example: Example
    length: int = 0
    tensors: Tensors | None = None
    pending: Future[Tensors] | None = None
    rejected: _Entry | None = None
    """The same with the rejected reply."""


class Examples(Dataset[Tensors]):  # type: ignore[misc]
    """The examples of one training, by index in the given order; a negative index `~i` is example i without labels.

    Where examples have a rejected reply, those with the replies to learn come first in a batch, then those with the others.
    """

    def __init__(self, examples: Collection[Example], *, model: Path, read_image: ReadImage, room: int, workers: int) -> None:
        """Tensors are kept up to `room` bytes. `workers` threads process examples ahead; 0 processes them when needed."""
        self._entries = [_Entry(example, rejected=_rejected(example)) for example in examples]
        self._model = model
        self._read_image = read_image
        self._room = room
        self._lock = Lock()
        self._local = local()
        self._pixels: dict[tuple[str, ...], torch.Tensor] = {}
        self._threads = ThreadPoolExecutor(workers, "examples") if workers else None
        self._following: dict[int, list[int]] = {}
        self.processor = self._load()[0]
        self._marks = control_tokens(self.processor)
        self._before, self._after = _around_replies(self.processor, model)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def examples(self) -> list[Example]:
        return [entry.example for entry in self._entries]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each example, with images and reply; known after `measure`, or set."""
        return [entry.length for entry in self._entries]

    @lengths.setter
    def lengths(self, lengths: Sequence[int]) -> None:
        for entry, length in zip(self._entries, lengths, strict=True):
            entry.length = length

    @property
    def alone(self) -> bool:
        """Whether no two of them fit one batch: Llama-3.2-Vision has no place in it for a row without an image beside others."""
        pictured = {any(message.images for message in example.messages) for example in self.examples}
        return len(pictured) > 1 and isinstance(self.processor, MllamaProcessor)

    def measure(self, advance: Advance) -> None:
        """Process every example once to get its length."""
        for start in range(0, len(self._entries), 64):
            part = self._entries[start : start + 64]
            for entry in _sides(part):
                self._begin(entry)
            for entry in part:
                entry.length = max(self._take(side)["input_ids"].shape[1] for side in _sides([entry]))
            advance(len(part))

    def keep(self, longest: int) -> list[Example]:
        """Drop the examples with more tokens than `longest`, and return them."""
        dropped = [entry.example for entry in self._entries if entry.length > longest]
        self._entries = [entry for entry in self._entries if entry.length <= longest]
        return dropped

    def follow(self, plan: BatchPlan) -> None:
        """Read the current epoch of the plan, so that threads can work ahead."""
        batches = [batch for batch in plan if batch[0] >= 0] if self._threads else []
        for number, batch in enumerate(batches):
            self._following[batch[0]] = [i for later in batches[number + 1 : number + 1 + _AHEAD] for i in later]

    def __getitems__(self, indices: list[int]) -> list[Tensors]:
        for entry in _sides(self._entries[max(i, ~i)] for i in (*indices, *self._following.get(indices[0], ()))):
            self._begin(entry)
        items = [self._take(entry) for entry in _sides(self._entries[max(i, ~i)] for i in indices)]
        return items if indices[0] >= 0 else list(map(_muted, items))

    def collate(self, items: Sequence[Tensors]) -> Tensors:
        """One batch: sequences padded on the right, everything else concatenated."""
        width = max(item["input_ids"].shape[1] for item in items)
        fillers = {**_SEQUENCES, "input_ids": self.processor.tokenizer.pad_token_id, _CROSS: 0}
        names = dict.fromkeys(name for item in items for name in item)
        batch = {}
        for name in names:
            tensors = [item[name] for item in items if name in item]
            if name in fillers:
                tensors = [_widened(tensor, width, fillers[name]) for tensor in tensors]
            batch[name] = torch.cat(_same_shape(tensors))
        return batch

    def close(self) -> None:
        if self._threads:
            self._threads.shutdown(cancel_futures=True)
        self._entries = []

    def _begin(self, entry: _Entry) -> None:
        if self._threads and entry.tensors is None and entry.pending is None:
            entry.pending = self._threads.submit(self._process, entry.example)

    def _take(self, entry: _Entry) -> Tensors:
        if entry.tensors is not None:
            return entry.tensors
        tensors = entry.pending.result() if entry.pending else self._process(entry.example)
        entry.pending = None
        self._keep(entry, tensors)
        return tensors

    def _keep(self, entry: _Entry, tensors: Tensors) -> None:
        """Keep tensors while there is room; examples with the same images share their pixels."""
        shown = tuple(ref.sha256 for message in entry.example.messages for ref in message.images)
        pixels = tensors.get("pixel_values")
        shared = self._pixels.get(shown)
        added = [tensor for name, tensor in tensors.items() if name != "pixel_values" or shared is None]
        size = sum(tensor.nbytes for tensor in added)
        if size > self._room:
            return
        self._room -= size
        if pixels is not None:
            tensors["pixel_values"] = self._pixels.setdefault(shown, pixels)
        entry.tensors = tensors

    def _process(self, example: Example) -> Tensors:
        """An example as TRL's collator makes it from one row: prompt and reply tokenised apart, labels on the reply.

        The prompt is what the engine asks with, and control tokens in its texts are defused as there.
        """
        processor, collator = self._local.loaded if hasattr(self._local, "loaded") else self._load()
        images = [decode(self._read_image(ref)) for message in example.messages for ref in message.images]
        turns = [plain(message, self._marks).as_blocks() for message in example.messages]
        [reply] = plain(Message(role=ASSISTANT, content=(example.reply,)), self._marks).content
        prompt = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return dict(collator([{"prompt": prompt, "completion": f"{self._before}{reply}{self._after}", "images": images}]))

    def _load(self) -> tuple[Any, DataCollatorForVisionLanguageModeling]:
        """This thread's processor and collator."""
        with self._lock:
            processor = AutoProcessor.from_pretrained(self._model, trust_remote_code=False)
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        collator = collator_for(processor) or DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
        self._local.loaded = processor, collator
        return processor, collator


def _around_replies(processor: Any, model: Path) -> tuple[str, str]:
    """What is learned before and after a reply: what the chat template writes there, and a token at which engines stop.

    Nothing before it where the template goes on in another way than the engine asks, as one does that opens a thought. A template
    that writes no such token, or no replies at all, gets the tokenizer's.
    """
    question, reply = (Message(role=r, content=(c,)).as_blocks() for r, c in (("user", "Which?"), (ASSISTANT, _SOME_REPLY)))
    asked = processor.apply_chat_template([question], add_generation_prompt=True, tokenize=False)
    try:
        before, after = processor.apply_chat_template([question, reply], tokenize=False).rsplit(_SOME_REPLY, 1)
    except Exception:  # a template is a program of strangers
        before, after = "", ""
    ends = _ends(processor.tokenizer, model)
    if not any(end in after for end in ends):
        after = after.rstrip() + ends[0]
    return before[len(asked) :] if before.startswith(asked) else "", after


def _ends(tokenizer: Any, model: Path) -> list[str]:
    """The tokens at which engines stop, the tokenizer's first."""
    path = model / "generation_config.json"
    named = (read_json(path) if path.exists() else weights.configuration(model).get_text_config().to_dict()).get("eos_token_id")
    ids = [tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])]
    return list(tokenizer.convert_ids_to_tokens([token for token in ids if token is not None]))


def _rejected(example: Example) -> _Entry | None:
    return None if example.rejected is None else _Entry(replace(example, reply=example.rejected, rejected=None))


def _sides(entries: Iterable[_Entry]) -> list[_Entry]:
    """Entries, then those of their rejected replies."""
    entries = list(entries)
    return [*entries, *(entry.rejected for entry in entries if entry.rejected is not None)]


def _muted(tensors: Tensors) -> Tensors:
    return {**tensors, "labels": torch.full_like(tensors["labels"], IGNORED)}


def _widened(tensor: torch.Tensor, width: int, filler: int) -> torch.Tensor:
    """Padded in its second dimension."""
    after = [0, 0] * (tensor.dim() - 2) + [0, width - tensor.shape[1]]
    return pad(tensor, after, value=filler)


def _same_shape(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Padded with zeros to one shape in all dimensions but the first, as processors pad the images of a batch."""
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    if all(list(tensor.shape[1:]) == shape for tensor in tensors):
        return tensors
    gaps = [[target - size for target, size in zip(shape, tensor.shape[1:], strict=True)] for tensor in tensors]
    return [pad(t, [n for gap in reversed(row) for n in (0, gap)]) for t, row in zip(tensors, gaps, strict=True)]
