"""What clients send and what they get, as the OpenAPI page shows it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..judge import Case, Preference
from ..run.image_files import is_address

MAX_TEXT = 100_000
"""Characters of a prompt or a response."""
MAX_IMAGES = 16
MAX_RESPONSES = 64

Asked = Annotated[str, Field(max_length=MAX_TEXT, pattern=r"\S")]
"""An instruction. Something must be asked; a response may be empty."""
Text = Annotated[str, Field(max_length=MAX_TEXT)]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
"""At least 1. An integer as JSON Schema has it: 2.0 is one, `"2"` is none."""
Picture = Annotated[str, Field(json_schema_extra={"format": "image"})]
Images = Annotated[
    list[Picture],
    Field(
        max_length=MAX_IMAGES, description="Data URLs (`data:image/png;base64,…`) or base64; paths only where the server allows."
    ),
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CompareBody(Body):
    """Two responses to a prompt about images."""

    prompt: Asked
    response_a: Text
    response_b: Text
    images: Images = []


class RankBody(Body):
    """Several responses to a prompt about images."""

    prompt: Asked
    responses: list[Text] = Field(min_length=1, max_length=MAX_RESPONSES)
    images: Images = []
    comparisons: Count | None = Field(None, description="Pairs to compare: all, or this many, at least one less than responses.")


class Document(BaseModel):
    """A document, as some clients send and all receive it."""

    text: Text


class RerankBody(BaseModel):
    """The request of vLLM's and Jina's rerank clients; further fields of theirs are ignored."""

    model_config = ConfigDict(strict=True)

    model: str | None = None
    query: Asked
    documents: list[Text | Document] = Field(min_length=1, max_length=MAX_RESPONSES)
    top_n: Count | None = None
    images: Images = []
    return_documents: bool = True


class Compared(BaseModel):
    """What the judge says, in both orders."""

    preference: Literal["a", "b"] | None
    probability: float | None
    consistent: bool
    traces: list[str]
    problem: str | None

    @classmethod
    def of(cls, said: Preference) -> Compared:
        return cls(
            preference=said.preference,
            probability=said.probability,
            consistent=said.consistent,
            traces=list(said.traces),
            problem=said.problem,
        )


_WHY = "Why no comparison was decided, such as `cut_off` or `undecided`; the order then says little."


class Ranked(BaseModel):
    """Numbers of the responses, the best first, and the strength of each in the order given."""

    order: list[int]
    strengths: list[float]
    comparisons: int
    undecided: int
    failed: int
    problem: str | None = Field(description=_WHY)


class Reranked(BaseModel):
    index: int
    relevance_score: float
    document: Document | None = None


class RerankedAll(BaseModel):
    model: str
    results: list[Reranked]
    problem: str | None = Field(description=_WHY)


class Health(BaseModel):
    status: Literal["ok", "failing"]
    detail: str | None = None
    waiting: int


def pictures(given: list[str], *, paths: bool) -> list[bytes | str]:
    """Images as bytes, or as paths where these are allowed. Raises ValueError that names the place of one that is neither."""
    return [_picture(value, number, paths) for number, value in enumerate(given)]


def _picture(value: str, number: int, paths: bool) -> bytes | str:
    head, comma, data = value.partition(",")
    encoded = data if comma and head.startswith("data:") else value
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        if paths and not value.startswith("data:") and not is_address(value):
            return value
    if is_address(value):
        raise ValueError(f"images.{number} is an address; the server fetches none: send the image")
    raise ValueError(f"images.{number} is neither a data URL nor base64" + ("" if paths else "; the server reads no paths"))


def case(prompt: str, first: str, second: str, images: Sequence[bytes | str]) -> Case:
    return Case(prompt=prompt, response_a=first, response_b=second, images=images)
