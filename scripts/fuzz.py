"""Fuzz what reads foreign input, with hypothesis, for as long as asked: `python scripts/fuzz.py --minutes 10 [AREA …]`.

Each area makes inputs, damages them, and states what must hold whatever came out: rows, values, or an error in words. Prints how
many inputs were tried. A finding is printed as the smallest input that hypothesis comes to, and ends the command with 1.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import math
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import hypothesis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from selfjudge.chat import Completion, Token
from selfjudge.errors import SelfjudgeError
from selfjudge.method import kinds, overall_judgment, voting
from selfjudge.method.overall_judgment import NUMBER
from selfjudge.method.prompts import JUDGE, defuse, delimiters
from selfjudge.method.protocols import READERS
from selfjudge.method.verdicts import LETTER, parse, probability
from selfjudge.recipe.experiment import Recipe
from selfjudge.recipe.file import load_recipe
from selfjudge.recipe.inputs import FilesSource
from selfjudge.run.images import BadImage, admit, decode
from selfjudge.run.journal import Growing
from selfjudge.run.tables import JUDGMENTS
from selfjudge.sources.files import FilePrompts
from selfjudge.types import Finish, Problem, Verdict

ROOT = Path(__file__).parents[1]
MAX_PIXELS = 1_000_000
SLOWEST = 20.0
"""Seconds that one input may take, on a busy machine."""

JUNK = st.binary(max_size=8) | st.sampled_from(
    [b"\0", b"\xff\xff\xff\xff", b"\r\n", b"\n", b'"', b"{", b"]", b"\xed\xa0\x80", b"1e999"]
)


BLOWS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "repeat", "flip", "remove", "cut"]), st.floats(0, 1), st.floats(0, 1), st.integers(0, 7), JUNK
    ),
    max_size=6,
)
"""What is done to a file, where (a share of its length), over how much, to which bit, and what is put there."""

Blows = list[tuple[str, float, float, int, bytes]]


def damaged(whole: bytes, blows: Blows) -> bytes:
    data = bytearray(whole)
    for how, place, share, bit, junk in blows:
        at = int(place * len(data))
        length = int(share**4 * len(data)) + bit
        if how == "replace":
            data[at : at + length] = junk
        elif how == "repeat":
            data[at:at] = data[at : at + length]
        elif how == "flip" and at < len(data):
            data[at] ^= 1 << bit
        elif how == "remove":
            del data[at : at + length]
        elif how == "cut":
            del data[len(data) - length :]
    return bytes(data)


def _hold(*facts: object) -> None:
    """What an error must have."""
    assert all(facts)


@cache
def pictures() -> list[bytes]:
    """One small picture of each format and mode that is opened."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 4), dtype=np.uint8), "RGBA")
    wanted = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "JPEG": ("L", "RGB", "CMYK"),
        "TIFF": ("1", "L", "RGB", "RGBA", "CMYK", "F", "I;16", "LAB"),
        "WEBP": ("RGB", "RGBA"),
        "GIF": ("P",),
        "BMP": ("1", "P", "RGB"),
        "PPM": ("L", "RGB"),
        "AVIF": ("RGB", "RGBA"),
        "JPEG2000": ("L", "RGB", "RGBA"),
    }
    made = []
    for kind, modes in wanted.items():
        for mode in modes:
            out = io.BytesIO()
            _in_mode(noise, mode).save(out, kind)
            made.append(out.getvalue())
    out = io.BytesIO()
    noise.convert("P").save(out, "GIF", save_all=True, append_images=[noise.rotate(90).convert("P")])
    return [*made, out.getvalue()]


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert("RGB").convert(mode) if mode in ("CMYK", "LAB", "P", "1", "F") else image.convert(mode)


@given(st.sampled_from(pictures()), BLOWS, st.sampled_from([None, 16]))
def images(whole: bytes, blows: Blows, edge: int | None) -> None:
    """An image is refused for a reason, or kept as a picture of the stated size that is taken again as it is."""
    try:
        ref, kept = admit(damaged(whole, blows), max_pixels=MAX_PIXELS, longest_edge=edge)
    except BadImage as bad:
        _hold(bad.reason, str(bad))
        return
    assert decode(kept).size == (ref.width, ref.height) and ref.width * ref.height <= MAX_PIXELS
    assert edge is None or max(ref.width, ref.height) <= edge
    again, same = admit(kept, max_pixels=MAX_PIXELS, longest_edge=edge)
    assert (again, same) == (ref, kept)


@cache
def rows() -> dict[str, bytes]:
    """A small file of each kind that prompts are read from."""
    values = [
        {"image": "a.png", "prompt": "How many boats are there?", "id": 7},
        {"images": ["a.png", "b.png"], "question": "Wo? ünter", "choices": ["x", "y"], "answer": None},
        {"image": "data:image/png;base64,iVBORw0KGgo=", "messages": [{"role": "user", "content": "<image>What is it?"}]},
        {"image": {"bytes": None, "path": "a.png"}, "conversations": [{"from": "human", "value": "<image>\nHi"}]},
    ]
    lines = "\n".join(json.dumps(value) for value in values).encode()
    table = io.BytesIO()
    pq.write_table(pa.table({"image": ["a.png", "b.png"], "prompt": ["What?", None], "id": [1, 2]}), table)
    flat = b'image,prompt,id\na.png,"What, ""then""?",1\nb.png,Why?,2\n'
    wide = lines.decode().encode("utf-16")
    return {
        "a.jsonl": lines,
        "wide.jsonl": wide,
        "a.json": json.dumps(values).encode(),
        "a.csv": flat,
        "a.tsv": flat.replace(b",", b"\t"),
        "a.parquet": table.getvalue(),
    }


@given(st.sampled_from(sorted(rows())), BLOWS)
def jsonl(name: str, blows: Blows) -> None:
    """A file with prompts gives rows, some of which are refused with a reason, or an error that names it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(damaged(rows()[name], blows))
        try:
            for prompt in FilePrompts(FilesSource(kind="files", path=path)):
                assert name in prompt.where
                assert json.dumps(prompt.text).isascii()
        except SelfjudgeError as error:
            _hold(name in str(error), error.hint)


JUDGMENT = st.fixed_dictionaries(
    {
        **{name: st.text(max_size=6) for name in ("pair_id", "judge", "trace")},
        "order": st.sampled_from(["chosen_first", "rejected_first"]),
        "sample": st.integers(0, 2**31 - 1),
        "verdict": st.sampled_from(["first", "second", None]),
        "problem": st.none(),
        "error": st.none() | st.text(max_size=6),
        "prompt_tokens": st.integers(0, 2**31 - 1),
        "completion_tokens": st.integers(0, 9),
        "probability": st.none() | st.floats(0, 1),
    }
)
TABLE = st.lists(JUDGMENT, min_size=1, max_size=6).map(
    lambda found: [
        {"key": f"key-{n}", **{name: row.get(name) for name in JUDGMENTS.schema.names[1:]}} for n, row in enumerate(found)
    ]
)


@given(TABLE, st.integers(0, 6), st.integers(0, 1), BLOWS)
def journal(table: list[dict[str, Any]], safe: int, which: int, blows: Blows) -> None:
    """A table whose part or journal was damaged opens; rows of parts are those that were written, others can be made again."""
    with TemporaryDirectory() as folder:
        kept = _grown(Path(folder), table, safe)
        target = kept[which % len(kept)]
        target.write_bytes(damaged(target.read_bytes(), blows))
        growing = Growing(Path(folder), JUDGMENTS)
        try:
            held = growing.keys()
            stored = [row for part in growing.parts() for row in pq.read_table(part).to_pylist()]
        except SelfjudgeError as error:
            _hold(error.hint)
            return
        written = {row["key"]: row for row in table}
        assert len(held) == len(stored)
        if target.suffix == ".parquet":
            assert all(written[row["key"]] == row for row in stored)
        for row in table:
            if row["key"] not in held:
                growing.append(row)
        growing.flush()
        assert {row["key"] for row in table} <= {
            key for part in growing.parts() for key in pq.read_table(part)["key"].to_pylist()
        }


def _grown(folder: Path, table: list[dict[str, Any]], safe: int) -> list[Path]:
    """A table whose first rows stand in a part and the others in a journal, as after a kill; its files."""
    growing = Growing(folder, JUDGMENTS)
    for number, row in enumerate(table):
        if number == safe:
            growing.flush()
        growing.append(row)
    if growing._journal is not None:
        growing._journal.close()
    return [path for path in sorted(folder.iterdir()) if path.suffix in (".parquet", ".jsonl")]


RECIPES = [path.read_bytes() for path in sorted((ROOT / "recipes").glob("*.yaml"))]
KEYS = (
    "model",
    "loop.iterations",
    "prompts.0.limit",
    "synthesis.closed.samples",
    "training.learning_rate",
    "execution.engine.kind",
)
VALUES = st.sampled_from(
    ["1", "-1", "1e999", ".nan", "[", "null", "a: b", "&a [*a]", "!!python/none x", "true", "2_0", "0x1f", "''"]
)


@given(st.sampled_from(RECIPES), BLOWS, st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=2))
def recipe(whole: bytes, blows: Blows, changes: list[tuple[str, str]]) -> None:
    """A recipe is read, and then can be written and compared, or it is an error with a hint."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_bytes(damaged(whole, blows))
        try:
            read = load_recipe(path, [f"{key}={value}" for key, value in changes])
        except SelfjudgeError as error:
            _hold(str(error), error.hint)
            return
        assert Recipe.model_validate_json(read.model_dump_json()).digest == read.digest


_WORDS = r"""
[[A]] [[B]] [[C]] [[ A ]] \[\[B\]\] [A] [[ ]] **[[A]]** <think> </think> Verdict: Overall Judgment: Answer 1 2 is better.
response A B if or not the first second better than Neither tie 3 boats 12 % 5.5 km 1/2 1,000 -4 yes no A: (a) a) b. \boxed{ }
Answer: none unknown cannot tell green 三 艘 Ответ: да 七 1e5 10^9 12:30 ［［Ａ］］ ``` " “ ” ' . ! ? : - * > ( ) $ ^ _ €"""
WORDS = st.sampled_from([*_WORDS.split(), "\u200b", "\n", " ", "\n\n"])
TEXT = st.lists(WORDS | st.text(max_size=3), max_size=40).map(" ".join) | st.text(max_size=60)


@given(TEXT, st.sampled_from(list(Finish)), st.data())
def verdicts(text: str, finish: Finish, data: st.DataObject) -> None:
    """Any reply is a verdict or a problem, any probability lies in [0, 1], and no defused response is a verdict."""
    for read in READERS.values():
        assert isinstance(read(text, finish), Verdict | Problem)
    assert overall_judgment.official(text) in (None, 1, 2)
    broken = defuse(text, delimiters(JUDGE))
    assert isinstance(parse(broken), Problem) and defuse(broken, delimiters(JUDGE)) == broken
    logprob = st.floats(-1e9, 0) | st.just(-math.inf)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    tokens = tuple(
        Token(text=piece, logprobs=((piece, data.draw(logprob)), (piece.replace("A", "B"), data.draw(logprob))))
        for piece in pieces
    )
    for anchor in (LETTER, NUMBER):
        found = probability(
            Completion(key="k", text=text, finish=finish, tokens=tokens, prompt_tokens=1, completion_tokens=1), anchor
        )
        assert found is None or 0 <= found <= 1


RULES = st.builds(voting.Election, threshold=st.integers(1, 5), alternative=st.sampled_from(get_args(voting.Alternative)))


@given(st.lists(TEXT, max_size=8), TEXT, RULES, st.integers())
def votes(samples: list[str], instruction: str, rules: voting.Election, seed: int) -> None:
    """Any answers make a pair of two that differ, or a reason; the order of the samples does not change the count."""
    kinds.route(instruction)
    elected = voting.elect(samples, instruction=instruction, rules=rules, rng=random.Random(seed))
    shuffled = random.Random(seed).sample(samples, len(samples))
    again = voting.elect(shuffled, instruction=instruction, rules=rules, rng=random.Random(seed))
    if isinstance(elected, str):
        assert elected and elected == again
        return
    assert {elected.chosen, elected.rejected} <= {*samples} and not isinstance(again, str)
    assert elected.vote.counts == again.vote.counts and elected.vote.majority != elected.vote.alternative
    assert voting.normalise(elected.chosen, instruction) == elected.vote.majority


AREAS: dict[str, Callable[[], None]] = {check.__name__: check for check in (images, jsonl, journal, recipe, verdicts, votes)}


def fuzz(
    check: Callable[[], None], seconds: float, say: Callable[[str], None], *, batch: int = 200
) -> tuple[int, Exception | None]:
    """How many inputs were tried, and what was found."""
    tried, started = 0, time.monotonic()
    inner = check.hypothesis.inner_test  # type: ignore[attr-defined]

    def counted(*args: Any, **named: Any) -> None:
        nonlocal tried
        tried += 1
        begun = time.process_time()
        inner(*args, **named)
        assert time.process_time() - begun < SLOWEST, "slow"

    check.hypothesis.inner_test = counted  # type: ignore[attr-defined]
    ready = settings(max_examples=batch, deadline=None, database=None, suppress_health_check=list(HealthCheck))(check)
    for seed in _until(started + seconds):
        try:
            hypothesis.seed(seed)(ready)()
        except Exception as error:
            return tried, error
        say(f"{tried} inputs in {time.monotonic() - started:.0f} s")
    return tried, None


def _until(end: float) -> Iterator[int]:
    """Another seed each time, at least one."""
    yield (seed := time.time_ns())
    while time.monotonic() < end:
        yield (seed := seed + 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz what reads foreign input.")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"{', '.join(AREAS)}; all of them by default")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each area")
    asked = parser.parse_args()
    if unknown := sorted({*asked.areas} - {*AREAS}):
        parser.error(f"there is no area {unknown[0]}; known are {', '.join(AREAS)}")
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    worst = 0
    for name in asked.areas or AREAS:
        tried, error = fuzz(AREAS[name], 60 * asked.minutes, lambda text, name=name: print(f"{name}: {text}", file=sys.stderr))
        if error is not None:
            worst = 1
            print("".join(getattr(error, "__notes__", [])), repr(error), sep="\n")
        print(f"{name}: {tried} inputs, {'nothing found' if error is None else 'a FINDING'}", flush=True)
    sys.exit(worst)


if __name__ == "__main__":
    main()
