"""Small copies of the sources of Multimodal RewardBench, with columns as the real ones have them and drawn pictures."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

GROUPS = {
    "nocaps": "open_generation/correctness_task",
    "visitbench": "open_generation/preference_task",
    "mmmu-s": "knowledge",
    "mmmu-v": "knowledge",
    "mathvista": "reasoning",
    "image2struct": "reasoning",
    "EMMA-Coding": "reasoning",
    "MMBench": "vqa",
    "SEED-Bench": "vqa",
    "RealworldQA": "vqa",
    "pairs": "safety",
}


def drawn(number: int, form: str = "JPEG", mode: str = "RGB") -> bytes:
    """A picture of one colour, another for each number."""
    colour = (number * 37 % 256, number * 91 % 256, 80, 128)[: len(mode)] if mode != "L" else number % 256
    out = io.BytesIO()
    Image.new(mode, (12, 8), colour).save(out, form)
    return out.getvalue()


def as_image(data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else {"bytes": data, "path": None}


def saved(folder: Path, rows: Sequence[dict[str, Any]], images: Sequence[str], lists: Sequence[str] = ()) -> None:
    """Rows as `save_to_disk` writes them, with columns of pictures."""
    data = datasets.Dataset.from_list(list(rows))
    for name in images:
        data = data.cast_column(name, datasets.Image())
    for name in lists:
        data = data.cast_column(name, datasets.List(datasets.Image()))
    data.save_to_disk(str(folder))


def several(prefix: str, count: int, number: int, pictures: int = 1) -> dict[str, Any]:
    """Columns of pictures, of which the first ones hold one."""
    return {f"{prefix}{place}": as_image(drawn(number, "PNG") if place <= pictures else None) for place in range(1, count + 1)}


def make_sources(folder: Path, *, rows: int = 6) -> Path:
    """A folder of local copies, each of so many rows. NoCaps goes by image_id (100 more than the position), in reverse."""
    numbers = range(rows)
    nocaps = [{"image": as_image(drawn(n)), "image_id": 100 + rows - 1 - n} for n in numbers]
    saved(folder / "HuggingFaceM4__NoCaps", nocaps, ["image"])
    visit = [{"image": as_image(drawn(n, "PNG")), "instruction": f"instruction {n}"} for n in numbers]
    saved(folder / "mlfoundations__VisIT-Bench", visit, ["image"])
    _mmmu(folder / "MMMU__MMMU_Pro", numbers)
    _mathvista(folder / "AI4Math__MathVista", numbers)
    for part, config in enumerate(("algorithm", "equation", "table")):
        struct = [{"image": as_image(drawn(n, "PNG")), "uuid": f'"u-{part}-{n}"'} for n in numbers]
        saved(folder / "stanford-crfm__image2struct-latex-v1" / config, struct, ["image"])
    emma = [
        {"question": f"<image_1>\n\nWhich code snippet below draws {n}?", "options": ["a", "b"], **several("image_", 5, n)}
        for n in numbers
    ]
    saved(folder / "luckychao__EMMA" / "Coding", emma, [f"image_{place}" for place in range(1, 6)])
    _multiple_choice(folder, numbers)
    real = [{"image": as_image(drawn(n)), "question": f"question {n}", "answer": "SECRET"} for n in numbers]
    saved(folder / "xai-org__RealworldQA", real, ["image"])
    for n in numbers:
        path = folder / "katiefraser__PAIRS/data/occupations" / f"scene{n}" / "one.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(drawn(n, "PNG"))
    return folder


def _mmmu(folder: Path, numbers: Sequence[int]) -> None:
    standard = [
        {
            "question": f"<image 1> question\r {n}",
            "options": repr([f"option {n}", "other's"]),
            **several("image_", 7, n, 2 if n == 5 else 1),
        }
        for n in numbers
    ]
    saved(folder / "standard (10 options)", standard, [f"image_{place}" for place in range(1, 8)])
    saved(folder / "vision", [{"image": as_image(drawn(n, "PNG"))} for n in numbers], ["image"])


def _mathvista(folder: Path, numbers: Sequence[int]) -> None:
    kinds = [
        ("multi_choice", "text", None),
        ("free_form", "integer", None),
        ("free_form", "float", 1.0),
        ("free_form", "float", 2.0),
    ]
    rows = []
    for n in numbers:
        question_type, answer_type, precision = kinds[n % 4]
        rows.append(
            {
                "pid": str(n + 1),
                "decoded_image": as_image(drawn(n)),
                "question": f"question {n}",
                "unit": "cm" if n % 4 == 1 else None,
                "choices": ["yes", "no"] if question_type == "multi_choice" else None,
                "question_type": question_type,
                "answer_type": answer_type,
                "precision": precision,
                "metadata": {"language": "chinese" if n == 5 else "english"},
            }
        )
    saved(folder, rows, ["decoded_image"])


def _multiple_choice(folder: Path, numbers: Sequence[int]) -> None:
    options = {"A": "one", "B": "two", "C": "nan", "D": "nan"}
    bench = [
        {"index": n, "image": as_image(drawn(n, "PNG")), "question": f"question {n}", "hint": "HINT", **options} for n in numbers
    ]
    datasets.DatasetDict({"dev": _with_image(bench)}).save_to_disk(str(folder / "lmms-lab__MMBench" / "en"))
    seed = [
        {
            "image": [as_image(drawn(n, "PNG"))] * (2 if n == 5 else 1),
            "question": f"question {n}",
            **{f"choice_{letter}": f"{letter}{n}" for letter in "abcd"},
        }
        for n in numbers
    ]
    saved(folder / "lmms-lab__SEED-Bench", seed, [], ["image"])


def _with_image(rows: Sequence[dict[str, Any]]) -> datasets.Dataset:
    return datasets.Dataset.from_list(list(rows)).cast_column("image", datasets.Image())


FILES = {
    "nocaps": "{0}.jpg",
    "visitbench": "{0}.jpg",
    "mmmu-s": "{0}.jpg",
    "mmmu-v": "{0}.jpg",
    "mathvista": "{0}.jpg",
    "image2struct": "{0}.png",
    "EMMA-Coding": "{0}_0.png",
    "MMBench": "{0}.png",
    "SEED-Bench": "{0}.png",
    "RealworldQA": "{0}.jpg",
    "pairs": "occupations/scene{0}/one.png",
}


def released(source: str, number: int | str, **changes: Any) -> dict[str, Any]:
    """A row of the release: the number is the one in the image's file name."""
    row = {
        "ID": f"{source}_{number}",
        "Image": f"images/{source}/{FILES[source].format(number)}",
        "Output1": f"first answer to {number}",
        "Output2": f"second answer to {number}",
        "Better": "Output2",
        "Category": GROUPS[source],
    }
    return {**row, **({"Text": f"shipped {number}"} if source == "pairs" else {}), **changes}


def one_of_each(number: int = 2) -> list[dict[str, Any]]:
    """A row of every source that stands for its row at that position."""
    names: dict[str, int | str] = {"nocaps": 105 - number, "mathvista": number + 1, "image2struct": f"u-1-{number}"}
    return [released(source, names.get(source, number)) for source in GROUPS]


def write_release(folder: Path, rows: Sequence[Any]) -> Path:
    path = folder / "all_data_release.json"
    path.write_text(json.dumps(list(rows)))
    return path


def put_on_hub(sources: Path, hub: Path) -> None:
    """The look-alikes as data sets of the hub: Parquet files by split, and a card where there are configurations."""
    splits = {"AI4Math__MathVista": "testmini", "stanford-crfm__image2struct-latex-v1": "validation", "lmms-lab__MMBench": "dev"}
    for folder in sorted(sources.glob("*__*")):
        split, place = splits.get(folder.name, "test"), hub / folder.name.replace("__", "/")
        configs = [found for found in sorted(folder.iterdir()) if any(found.glob("*.json"))]
        card = "".join(
            f"- config_name: {c.name}\n  data_files: [{{split: {split}, path: {c.name}/{split}-*}}]\n" for c in configs
        )
        for source in configs or ([folder] if any(folder.glob("*.json")) else []):
            data = datasets.load_from_disk(str(source))
            into = place / (source.name if configs else "data")
            into.mkdir(parents=True)
            data = data[split] if isinstance(data, datasets.DatasetDict) else data
            data.to_parquet(into / f"{split}-00000-of-00001.parquet")
        if configs:
            (place / "README.md").write_text(f"---\nconfigs:\n{card}---\n")


def refused(folder: Path) -> dict[str, str]:
    """The reasons of the rows that could not be built in a folder, by row."""
    path = folder / "made/refused.jsonl"
    return {row["row"]: row["reason"] for row in map(json.loads, path.read_text().splitlines())} if path.exists() else {}


def contents(folder: Path) -> dict[str, str]:
    """Every file's digest, the lock left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def pixel(path: Path) -> tuple[int, ...]:
    """A pixel of a picture, as red, green and blue."""
    with Image.open(path) as image:
        colour = image.convert("RGB").getpixel((1, 1))
    return tuple(colour) if isinstance(colour, tuple) else ()
