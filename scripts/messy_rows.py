"""Sixty rows with the mess of real files, and the reason for which each is refused: `python scripts/messy_rows.py FOLDER`.

Writes FOLDER/rows.jsonl with the images it names. `ROWS` says what `selfjudge check FOLDER/rows.jsonl` and a run make of each;
None is a row that is used.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

GOOD = 24


def picture(seed: int, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((32 + seed, 24), 40).convert("RGB").save(out, kind, **options)
    return out.getvalue()


URL = "data:image/png;base64," + base64.b64encode(picture(90)).decode()
FILES = {
    **{f"{n}.png": picture(n) for n in range(GOOD)},
    "photo.jpg": picture(91, "JPEG"),
    "half.jpg": picture(92, "JPEG")[:300],
    "half.png": picture(93)[:200],
    "empty.png": b"",
    "text.png": b"not a picture",
    "script.ps": b"%!PS\nshowpage",
    "with, comma [1].png": picture(94),
}

ROWS: list[tuple[Any, str | None]] = [
    *(({"prompt": f"How many things are in picture {n}?", "image": f"{n}.png"}, None) for n in range(GOOD)),
    ({"question": "What is this?", "img": "photo.jpg"}, None),
    ({"instruction": "Name it.", "image_path": "photo.jpg"}, None),
    ({"text": "Describe it.", "images": ["photo.jpg", "1.png"]}, None),
    ({"problem": "Which is larger?", "image": {"path": "photo.jpg"}}, None),
    (
        {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Where?"}]}], "image": "1.png"},
        None,
    ),
    ({"conversations": [{"from": "human", "value": "<image>\nWhy?"}, {"from": "gpt", "value": "so"}], "image": "1.png"}, None),
    ({"prompt": "In the row itself?", "image": URL}, None),
    ({"prompt": "Bare?", "image": URL.partition(",")[2]}, None),
    ({"prompt": "A comma?", "image": "with, comma [1].png"}, None),
    ({"prompt": "  How many things are in picture 1?  ", "image": "1.png"}, "duplicate"),
    ({"prompt": "How many things are in picture 2?", "image": "2.png", "id": "again"}, "duplicate"),
    ({"prompt": "", "image": "1.png"}, "no_prompt"),
    ({"prompt": "   ", "image": "1.png"}, "no_prompt"),
    ({"prompt": None, "image": "1.png"}, "no_prompt"),
    ({"prompt": 7, "image": "1.png"}, "no_prompt"),
    ({"query": "A column of another name?", "image": "1.png"}, "no_prompt"),
    ({"messages": [{"role": "assistant", "content": "hi"}], "image": "1.png"}, "no_prompt"),
    ({"prompt": "No picture?"}, "no_image"),
    ({"prompt": "No picture?", "image": ""}, "no_image"),
    ({"prompt": "No picture?", "image": 5}, "no_image"),
    ({"prompt": "Which of the two?", "image": "1.png", "images": ["2.png"]}, "images_twice"),
    ({"prompt": "Gone?", "image": "gone.png"}, "image_missing"),
    ({"prompt": "Windows?", "image": "photos\\1.png"}, "image_missing"),
    ({"prompt": "Elsewhere?", "image": "../elsewhere.png"}, "outside_folder"),
    ({"prompt": "Elsewhere?", "image": "/etc/hostname"}, "outside_folder"),
    ({"prompt": "An address?", "image": "https://example.org/1.png"}, "not_fetched"),
    ({"prompt": "Half?", "image": "half.jpg"}, "truncated"),
    ({"prompt": "Half?", "image": "half.png"}, "truncated"),
    ({"prompt": "Empty?", "image": "empty.png"}, "not_an_image"),
    ({"prompt": "Text?", "image": "text.png"}, "not_an_image"),
    ({"prompt": "PostScript?", "image": "script.ps"}, "not_an_image"),
    ({"prompt": "<image><image> Two marks?", "image": "1.png"}, "image_marks"),
    ({"prompt": "Is <image> inside?", "image": "1.png"}, "image_marks"),
    ({"prompt": "Kind?", "image": "1.png", "kind": "other"}, "unknown_kind"),
    ("{broken", "invalid_json"),
    ("[1, 2]", "invalid_json"),
]


def write(folder: Path) -> Path:
    """Write the rows and their images; the file of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    lines = (row if isinstance(row, str) else json.dumps(row) for row, _ in ROWS)
    (folder / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder / "rows.jsonl"


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
