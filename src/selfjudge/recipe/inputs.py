"""The inputs of a recipe: where prompts come from, and which benchmarks there are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..types import Kind
from .section import PathName, PathOrHub, Section

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".tar")
"""Suffixes of files with prompts."""

Domain = Literal["plain", "photo", "outline", "pastel"]


class Drawn(Section):
    """How scenes look. The embedded model was taught on `plain` ones only."""

    domain: Domain = "plain"
    """On a dark ground, over pieces of photographs, as outlines, or in pale colours."""
    brightness: float = Field(0.6, gt=0, le=1)
    """Of the photographs: the lighter they are, the worse the embedded model sees."""

    @property
    def suffix(self) -> str:
        """What a domain adds to a name: one recipe may measure on several."""
        return "" if self.domain == "plain" else f"-{self.domain}"


class Columns(Section):
    """Columns of a file or data set that have other names than the usual ones: ours, and there theirs."""

    prompt: str | None = None
    """The instruction, or a list of messages."""
    image: str | None = None
    """One image."""
    images: str | None = None
    """A list of images."""
    kind: str | None = None
    """`open` or `closed`."""
    id: str | None = None
    """The row's own id."""

    @property
    def named(self) -> dict[str, str]:
        """Our names and theirs."""
        return self.model_dump(exclude_none=True)


class FilesSource(Section):
    """Prompts from data files of one's own: JSONL, a JSON list, CSV, TSV, Parquet, WebDataset shards (.tar), or a zip of them."""

    kind: Literal["files"]
    path: PathName
    """A file, or a folder of them. Columns: `prompt` (or `question`, `instruction`, `text`, `problem`, `messages`,
    `conversations`), `image` (or `images`, `image_path`, `img`, `file_name`: path, bytes, data URL), and `kind` if known."""
    columns: Columns = Columns()
    """Columns that have other names: ours, and the file's."""
    allow_text_only: bool = False
    """Also take prompts without an image."""
    limit: int | None = Field(None, ge=1)
    """Take this many rows, in the order of the file."""
    max_refused: float = Field(1.0, ge=0, le=1)
    """Share of the rows that may be refused; with more, nothing is generated."""
    route: Literal["auto"] | Kind = "auto"
    """Open or closed: by the row's `kind` or the wording (`auto`), or all of them the same."""
    allow_outside: bool = False
    """Also read images outside of the file's folder. Only for data you trust: it may name any image of yours."""
    fetch_urls: bool = False
    """Fetch images that rows name by http(s) addresses: public ones only, up to 50 MiB and 30 seconds each."""


class DatasetSource(Section):
    """Prompts from a Hugging Face data set. LLaVA-OneVision's rows (`image`, `conversations`) are understood."""

    kind: Literal["dataset"]
    path: PathOrHub
    """A name on the hub, or a folder written by `save_to_disk` or holding data files."""
    revision: str | None = None
    """Branch, tag or commit on the hub; the commit that it names when the run starts is recorded and used ever after."""
    config: str | None = None
    """The configuration of the data set, if it has several."""
    split: str = "train"
    """The split of the data set."""
    columns: Columns = Columns()
    """Columns that have other names: ours, and the data set's."""
    allow_text_only: bool = False
    """Also take prompts without an image."""
    limit: int | None = Field(None, ge=1)
    """Take this many rows, in the order of the data set."""
    share: float = Field(1.0, gt=0, le=1)
    """Take this share of the rows, spread over the whole data set: by the hash of a row's number. `limit` counts those taken."""
    max_refused: float = Field(1.0, ge=0, le=1)
    """Share of the rows that may be refused; with more, nothing is generated."""
    route: Literal["auto"] | Kind = "auto"
    """Open or closed: by the row's `kind` or the wording (`auto`), or all of them the same."""
    allow_outside: bool = False
    """Also read images outside of the data set's folder. Only for data you trust: it may name any image of yours."""
    fetch_urls: bool = False
    """Fetch images that rows name by http(s) addresses: public ones only, up to 50 MiB and 30 seconds each."""


class ImagesSource(Section):
    """Prompts from images alone: each image with each of some instructions."""

    kind: Literal["images"]
    path: PathName
    """A folder of images, its folders included, or a zip file."""
    prompts: tuple[str, ...] = Field(
        (
            "Describe this image in two or three sentences.",
            "What is the main thing in this image? Answer in a few words.",
            "How many people are in this image? Answer with a number.",
        ),
        min_length=1,
    )
    """The instructions. CHOSEN: a description, a thing and a number, so that open and closed pairs are made."""
    limit: int | None = Field(None, ge=1)
    """Take this many prompts, image after image by name."""
    max_refused: float = Field(1.0, ge=0, le=1)
    """Share of the prompts that may be refused; with more, nothing is generated."""
    route: Literal["auto"] | Kind = "auto"
    """Open or closed: by the wording (`auto`), or all of them the same."""


class ShapesSource(Drawn):
    """Prompts about drawn scenes of the embedded world."""

    kind: Literal["shapes"]
    limit: int = Field(1_000, ge=1)
    """How many prompts to draw; a quarter of them are open."""
    seed: int = 0
    """Another seed draws other scenes."""


Source = Annotated[FilesSource | ImagesSource | DatasetSource | ShapesSource, Field(discriminator="kind")]


class _Bench(Section):
    name: str

    @property
    def title(self) -> str:
        """The name of its figures and of its folder."""
        return self.name


class ShapesBench(_Bench, Drawn):
    """The embedded world's benchmark, drawn from held-out scenes, digits and parts of photographs."""

    name: Literal["shapes-bench"]
    pairs: int = Field(1_000, ge=1)
    """How many pairs to draw."""
    seed: int = 0
    """Another seed draws other scenes."""

    @property
    def title(self) -> str:
        return self.name + self.suffix


class PairsBench(_Bench):
    """A benchmark of one's own: pairs whose better response is known. Used for measuring only."""

    name: Literal["pairs"]
    path: PathName
    """JSONL with `prompt`, `image` or `images`, `chosen` and `rejected`, and `dimension` and `group` where there are any."""
    allow_outside: bool = False
    """Also read images that lie outside of the file's folder."""

    @property
    def title(self) -> str:
        """`pairs` for a file `pairs.jsonl`, `pairs-NAME` for another one."""
        return self.name if self.path.stem == self.name else f"{self.name}-{self.path.stem}"


class PublicBench(_Bench):
    """Somebody else's benchmark. Used for measuring only."""

    name: Literal[
        "vl-rewardbench",
        "multimodal-rewardbench",
        "mm-rlhf-rewardbench",
        "mmrb2",
        "mllm-as-a-judge",
        "rewardbench",
        "rewardbench-2",
        "judgebench",
        "multi-crit",
    ]
    path: PathOrHub | None = None
    """A file, a folder, or a data set on the hub; where it is published when this is left out."""
    revision: str | None = None
    """The hub's commit or tag. Whatever is read is recorded with its commit and checksum."""
    allow_missing: bool = False
    """Leave rows out whose image is missing, and count them; otherwise they are an error."""
    allow_outside: bool = False
    """Also read images that lie outside of the data's folder."""
    exclude: tuple[str, ...] = ()
    """Sources or dimensions to leave out, by name, or `contradictory`: rows that another one contradicts. Counted."""


Bench = Annotated[ShapesBench | PairsBench | PublicBench, Field(discriminator="name")]
