"""Chat: what goes to a model and what comes back. Standard library only.

A request is complete in itself (messages, sampling, seed), so that k samples are k requests and any engine can answer
them in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .types import Finish, ImageRef

Block = str | ImageRef

ASSISTANT = "assistant"
"""The role of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation: text and images in the order in which the model shall see them."""

    role: str
    content: tuple[Block, ...]

    @property
    def images(self) -> tuple[ImageRef, ...]:
        return tuple(block for block in self.content if isinstance(block, ImageRef))

    def as_blocks(self) -> dict[str, Any]:
        """The turn in Hugging Face's form: `{"role", "content": [{"type": "image"}, {"type": "text", "text"}]}`."""
        blocks = [{"type": "text", "text": b} if isinstance(b, str) else {"type": "image"} for b in self.content]
        return {"role": self.role, "content": blocks}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to sample. `temperature` 0 is greedy, `top_k` 0 and `top_p` 1 are off; `logprobs`: alternatives per token."""

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int
    logprobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a model. `key` is unique within a stage; `seed` alone decides what is sampled."""

    key: str
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int

    @property
    def continues(self) -> bool:
        """Whether the last message is the model's own, to be continued where it ends. `ports.continues` says which engine can."""
        return self.messages[-1].role == ASSISTANT

    @property
    def images(self) -> list[ImageRef]:
        return [image for message in self.messages for image in message.images]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One generated token and the log-probabilities of the likeliest tokens in its place, itself among them."""

    text: str
    logprobs: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The answer to one request. A request that failed has `finish` ERROR and the reason in `error`: it is data.

    `refused` says that the request itself is at fault (blocked, too large, no picture), which is nothing against the engine.
    `letter` is the answer to a further request, for the verdict that the text lacks (`stages.forcing`); the text has none of it.
    """

    key: str
    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    error: str | None = None
    tokens: tuple[Token, ...] | None = None
    refused: bool = False
    letter: Completion | None = None

    @classmethod
    def failed(cls, key: str, error: str, *, refused: bool = False, prompt_tokens: int = 0) -> Completion:
        """A completion without text: the request failed for the reason in `error`."""
        return cls(
            key=key,
            text="",
            finish=Finish.ERROR,
            prompt_tokens=prompt_tokens,
            completion_tokens=0,
            error=error,
            refused=refused,
        )
