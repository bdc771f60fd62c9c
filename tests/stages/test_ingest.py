"""Every row of a source becomes a prompt, or a row with a reason; nothing stops the others."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from runs import no_progress
from selfjudge.forecast.reading import read
from selfjudge.method.contamination import Index
from selfjudge.ports import RawPrompt, Remote
from selfjudge.recipe.inputs import FilesSource, PairsBench
from selfjudge.run.folder import ImageStore
from selfjudge.run.store import Table
from selfjudge.run.tables import PROMPTS, REFUSED
from selfjudge.sources.files import FilePrompts
from selfjudge.sources.pairs import PairsBenchmark
from selfjudge.stages import contamination
from selfjudge.stages.ingest import ingest

IDENTITY = {"stage": "ingest"}


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))


def png(seed: int) -> bytes:
    out = io.BytesIO()
    picture(seed).save(out, "PNG")
    return out.getvalue()


def ingested(
    folder: Path, rows: list[object], into: str = "run", excluded: Index | None = None, allow_outside: bool = False, **limits: int
) -> tuple[list[dict], dict[str, str]]:
    """Prompts, and the refused rows by place with their reasons."""
    folder.mkdir(exist_ok=True)
    (folder / "p.jsonl").write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    source = FilePrompts(FilesSource(kind="files", path=folder / "p.jsonl", allow_outside=allow_outside))
    prompts, refused = (Table(folder / into, kind, IDENTITY) for kind in (PROMPTS, REFUSED))
    images = ImageStore(folder / into / "images")
    limits = {"max_pixels": 10_000, **limits}
    ingest([source], prompts, refused, images=images, progress=no_progress, excluded=excluded, **limits)
    return list(prompts.rows()), {row["source"]: row["reason"] for row in refused.rows()}


def test_an_id_of_the_users_own_stays_with_the_prompt(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(png(1))
    [prompt], _ = ingested(tmp_path, [{"prompt": "Describe it.", "image": "1.png", "id": "mine-7"}])
    assert (prompt["source"], prompt["source_id"]) == ("prompts.0/p.jsonl:1", "mine-7")


def test_bad_rows_are_counted_and_the_good_ones_kept(tmp_path: Path):
    for seed in (1, 2):
        (tmp_path / f"{seed}.png").write_bytes(png(seed))
    (tmp_path / "cut.png").write_bytes(png(3)[:120])
    (tmp_path / "text.png").write_text("no image")
    picture(4).resize((200, 200)).save(tmp_path / "big.png")
    Image.new("CMYK", (8, 8)).save(tmp_path / "cmyk.jpg")
    Image.new("RGB", (8, 8)).save(tmp_path / "move.gif", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])
    prompts, refused = ingested(
        tmp_path,
        [
            {"prompt": "Describe it.", "image": "1.png"},
            {"prompt": "Describe it.", "image": "gone.png"},
            {"prompt": "Describe it.", "image": "cut.png"},
            {"prompt": "Describe it.", "image": "text.png"},
            {"prompt": "Describe it.", "image": "big.png"},
            {"image": "1.png"},
            {"prompt": "  ", "image": "1.png"},
            {"prompt": "Describe it."},
            "{",
            {"prompt": "Describe it.", "image": "1.png"},
            {"prompt": "How many?", "images": ["1.png", "2.png"]},
            {"prompt": "Describe it.", "image": "cmyk.jpg"},
            {"prompt": "Describe it.", "image": "move.gif"},
        ],
    )
    assert refused == {
        "prompts.0/p.jsonl:2": "image_missing",
        "prompts.0/p.jsonl:3": "truncated",
        "prompts.0/p.jsonl:4": "not_an_image",
        "prompts.0/p.jsonl:5": "too_many_pixels",
        "prompts.0/p.jsonl:6": "no_prompt",
        "prompts.0/p.jsonl:7": "no_prompt",
        "prompts.0/p.jsonl:8": "no_image",
        "prompts.0/p.jsonl:9": "invalid_json",
        "prompts.0/p.jsonl:10": "duplicate",
    }
    assert {row["source"] for row in prompts} == {
        "prompts.0/p.jsonl:1",
        "prompts.0/p.jsonl:11",
        "prompts.0/p.jsonl:12",
        "prompts.0/p.jsonl:13",
    }


def test_a_prompt_records_its_kind_and_the_rule_that_decided(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(png(1))
    prompts, _ = ingested(
        tmp_path,
        [
            {"prompt": "Describe it.", "image": "1.png"},
            {"prompt": "<image>\nHow many cats are there?", "image": "1.png"},
            {"prompt": "Is it?", "image": "1.png", "kind": "open"},
        ],
    )
    kinds = {row["text"]: (row["kind"], row["kind_rule"]) for row in prompts}
    assert kinds == {
        "Describe it.": ("open", "open"),
        "How many cats are there?": ("closed", "count"),
        "Is it?": ("open", "row"),
    }


def test_an_image_is_stored_once_however_many_prompts_show_it(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(png(1))
    (tmp_path / "copy.png").write_bytes(png(1))
    prompts, _ = ingested(tmp_path, [{"prompt": f"{i}", "image": name} for i, name in enumerate(["1.png", "copy.png", "1.png"])])
    assert len(prompts) == 3 and len(list((tmp_path / "run/images").rglob("*.png"))) == 1


def test_reading_goes_on_where_it_was_interrupted(tmp_path: Path):
    for seed in range(6):
        (tmp_path / f"{seed}.png").write_bytes(png(seed))
    rows: list[object] = [{"prompt": "p", "image": f"{seed}.png"} for seed in range(6)]
    whole, _ = ingested(tmp_path, rows)
    part = Table(tmp_path / "resumed", PROMPTS, IDENTITY)
    for row in whole[:3]:
        part.append(row)
    part.flush()
    again, _ = ingested(tmp_path, rows, into="resumed")
    assert again == whole
    names = ["prompts.parquet", "refused.parquet"]
    assert all((tmp_path / "run" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes() for name in names)


@pytest.mark.parametrize("reads", [False, True], ids=["ingest", "check"])
def test_whoever_stops_reading_waits_for_no_image_that_is_not_being_fetched(tmp_path: Path, reads: bool):
    begun: list[int] = []

    def get(url: str) -> bytes:
        begun.append(len(begun))
        if len(begun) > 20:
            time.sleep(0.1)  # a host that hangs
        return png(begun[-1])

    rows = [RawPrompt(where=f"rows.jsonl:{n}", text="what?", images=(Remote(url="u", get=get),)) for n in range(256)]
    done = 0

    def advance(count: int, *_: object) -> None:
        nonlocal done
        if (done := done + count) == 10:
            raise KeyboardInterrupt

    given: dict[str, Any] = {"max_pixels": 10_000, "progress": lambda *_: nullcontext(advance)}
    prompts, refused = (Table(tmp_path, kind, IDENTITY) for kind in (PROMPTS, REFUSED))
    with pytest.raises(KeyboardInterrupt):
        if reads:
            list(read([rows], **given))
        else:
            ingest([rows], prompts, refused, images=ImageStore(tmp_path / "images"), **given)
    assert len(begun) < 100


def test_sealed_prompts_are_readable_as_parquet(tmp_path: Path):
    (tmp_path / "1.png").write_bytes(png(1))
    ingested(tmp_path, [{"prompt": "p", "image": "1.png"}])
    assert pq.read_table(tmp_path / "run/prompts.parquet").num_rows == 1


def benchmark(folder: Path, *images: str) -> Index:
    """The index of a benchmark that shows these images."""
    rows = [{"prompt": "What?", "image": image, "chosen": "a", "rejected": "b"} for image in images]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return contamination.index([PairsBenchmark(PairsBench(name="pairs", path=folder / "pairs.jsonl"))], no_progress)


def test_what_a_benchmark_shows_is_refused_with_the_item_and_its_image_is_not_kept(tmp_path: Path):
    for seed in range(4):
        (tmp_path / f"{seed}.png").write_bytes(png(seed))
    picture(2).resize((80, 80), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    rows: list[object] = [{"prompt": "p", "image": image} for image in ("0.png", "1.png", "large.png", "gone.png")]
    prompts, refused = ingested(tmp_path, rows, excluded=benchmark(tmp_path, "3.png", "1.png", "2.png"))
    assert refused == {
        "prompts.0/p.jsonl:2": "contaminated",
        "prompts.0/p.jsonl:3": "contaminated",
        "prompts.0/p.jsonl:4": "image_missing",
    }
    assert [row["source"] for row in prompts] == ["prompts.0/p.jsonl:1"]
    assert len(list((tmp_path / "run/images").rglob("*.png"))) == 1
    details = {row["source"]: row["detail"] for row in pq.read_table(tmp_path / "run/refused.parquet").to_pylist()}
    assert details["prompts.0/p.jsonl:2"] == "exact: pairs/pairs.jsonl:2"
    assert details["prompts.0/p.jsonl:3"].startswith("perceptual: pairs/pairs.jsonl:3")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_a_benchmark_shows_is_refused_also_where_a_run_would_keep_it_scaled(tmp_path: Path, mode: str):
    drawing = Image.new(mode, (90, 60), "white")
    drawing.putpixel((40, 20), (0, 0, 0, 255)[: len(mode)])
    drawing.save(tmp_path / "shown.png")
    drawing.save(tmp_path / "copy.webp", lossless=True)
    Image.new(mode, (90, 60), "white").save(tmp_path / "blank.png")
    rows: list[object] = [{"prompt": "p", "image": image} for image in ("shown.png", "copy.webp", "blank.png")]
    prompts, refused = ingested(tmp_path, rows, excluded=benchmark(tmp_path, "shown.png"), longest_edge=30)
    assert refused == {"prompts.0/p.jsonl:1": "contaminated", "prompts.0/p.jsonl:2": "contaminated"}
    assert [image["width"] for image in prompts[0]["images"]] == [30]
    assert prompts == ingested(tmp_path, rows, into="all", longest_edge=30)[0][-1:]


def test_excluding_goes_on_where_it_was_interrupted(tmp_path: Path):
    for seed in range(6):
        (tmp_path / f"{seed}.png").write_bytes(png(seed))
    rows: list[object] = [{"prompt": "p", "image": f"{seed}.png"} for seed in range(6)]
    shown = benchmark(tmp_path, "1.png", "4.png")
    whole, refused = ingested(tmp_path, rows, excluded=shown)
    assert set(refused) == {"prompts.0/p.jsonl:2", "prompts.0/p.jsonl:5"}
    for kind in (PROMPTS, REFUSED):
        part = Table(tmp_path / "resumed", kind, IDENTITY)
        part.append(next(Table(tmp_path / "run", kind, IDENTITY).rows()))
        part.flush()
    assert ingested(tmp_path, rows, into="resumed", excluded=shown) == (whole, refused)
    names = ["prompts.parquet", "refused.parquet"]
    assert all((tmp_path / "run" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes() for name in names)


def test_a_benchmark_that_shows_nothing_of_it_changes_nothing(tmp_path: Path):
    for seed in range(2):
        (tmp_path / f"{seed}.png").write_bytes(png(seed))
    rows: list[object] = [{"prompt": "p", "image": "0.png"}, {"prompt": "p", "image": "gone.png"}]
    assert ingested(tmp_path, rows) == ingested(tmp_path, rows, into="other", excluded=benchmark(tmp_path, "1.png"))


def test_only_files_in_the_datas_folder_are_read_unless_the_source_allows_others(tmp_path: Path):
    (tmp_path / "private.png").write_bytes(png(1))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "1.png").write_bytes(png(2))
    os.mkfifo(folder / "pipe.png")
    names = ("../private.png", str(tmp_path / "private.png"), str(folder / "1.png"), "pipe.png", "/dev/zero")
    rows: list[object] = [{"prompt": f"p{n}", "image": name} for n, name in enumerate(names)]
    prompts, refused = ingested(folder, rows)
    assert [row["source"] for row in prompts] == ["prompts.0/p.jsonl:3"]
    outside = dict.fromkeys(("prompts.0/p.jsonl:1", "prompts.0/p.jsonl:2", "prompts.0/p.jsonl:5"), "outside_folder")
    assert refused == {**outside, "prompts.0/p.jsonl:4": "not_a_file"}
    prompts, refused = ingested(folder, rows, into="allowed", allow_outside=True)
    assert {row["source"] for row in prompts} == {"prompts.0/p.jsonl:1", "prompts.0/p.jsonl:2", "prompts.0/p.jsonl:3"}
    assert refused == {"prompts.0/p.jsonl:4": "not_a_file", "prompts.0/p.jsonl:5": "not_a_file"}


def test_a_shortage_of_memory_ends_reading_and_seals_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise MemoryError

    (tmp_path / "1.png").write_bytes(png(1))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(MemoryError):
        ingested(tmp_path, [{"prompt": "p", "image": "1.png"}])
    assert not list((tmp_path / "run").glob("*.parquet"))
