"""Assembles Multimodal RewardBench from its sources: `all_data.json` in the official form, and the pictures beside it.

    FOLDER/
    ├── all_data.json       the release's rows that could be built, in its order, then those of the user's memes
    ├── images/SOURCE/…     as the release names them
    ├── refused.jsonl       rows that could not be built, each with a reason; absent when there are none
    ├── rows.jsonl          the rows that are built; a killed `prepare` continues after its last line
    ├── inputs.json         the inputs that rows.jsonl belongs to
    └── prepared.json       written last: counts, revisions, SHA-256 of every file

A picture is kept byte for byte if its format is the one in its name, and encoded anew otherwise. (The official script encodes
every JPEG once more.)
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, NoReturn

from ...errors import InputError, RunError
from ...ports import Progress
from ...recipe.experiment import MAX_PIXELS
from ...run.disk import differences, locked, read_json, sha256_of, write_json, write_whole, writing
from ...run.images import BadImage, admit
from ...run.jsonl import regular
from ...run.tables import Row
from ..catalogue import manifest_of
from ..multimodal_rewardbench import NAME
from ..pictures import as_named
from ..prepared import finish, reopen
from . import hateful_memes
from .built import Built, BuiltRows
from .counts import count, warnings
from .library import LOCAL, Library, Opened, picture, picture_file
from .sources import ORIGINS, PAIRS, PAIRS_REPOSITORY, REQUESTS, Unfit, only_image, source_name

FIELDS = ("ID", "Text", "Image", "Output1", "Output2", "Better", "Category")
_NAMES = (PAIRS, *(origin.name for origin in ORIGINS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What to assemble.

    `release` is the repository's all_data_release.json; `copies` a folder of local copies of the sources; `requests` a JSON file
    with other wordings; `memes` a folder with Hateful Memes, of which `limit` are drawn by `seed`; `without` names sources whose
    rows are left out.
    """

    release: Path
    copies: Path | None = None
    requests: Path | None = None
    memes: Path | None = None
    limit: int = 500
    seed: int = 0
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """One row to build: its key in `rows.jsonl`, its cells in the release, and its source; None if that is unknown."""

    key: str
    cells: Mapping[str, Any]
    source: str | None

    @property
    def text(self) -> str:
        """The prompt in the release; empty where it has none."""
        text = self.cells.get("Text")
        return text if isinstance(text, str) and text.strip() else ""

    def check(self, without: Sequence[str]) -> None:
        """Raises Unfit when the row cannot be looked for, or is left out."""
        cells = self.cells
        if missing := [name for name in FIELDS if name != "Text" and not isinstance(cells.get(name), str)]:
            raise Unfit("invalid_row", f"`{missing[0]}` is {'missing' if missing[0] not in cells else 'not text'}")
        if cells["Better"] not in ("Output1", "Output2"):
            raise Unfit("invalid_row", f"`Better` is {cells['Better']!r:.40}, neither Output1 nor Output2")
        parts = PurePosixPath(cells["Image"]).parts
        if len(parts) < 3 or parts[0] != "images" or ".." in parts or "\\" in cells["Image"] or "\0" in cells["Image"]:
            raise Unfit("bad_image_path", f"`Image` is {cells['Image']!r:.80}, not images/SOURCE/NAME")
        if self.source is None:
            raise Unfit("unknown_source", "neither `ID` nor `Image` names a known source")
        if self.source.lower() in without:
            raise Unfit("left_out", f"{self.source} was left out (--without)")


class RowContent(NamedTuple):
    """The prompt and the picture of a row, the revision of its source, and the way it was found."""

    text: str
    data: bytes
    revision: str
    by: str


Fetch = Callable[[], RowContent]
"""Reads the content of a row. Raises Unfit."""


@dataclass(slots=True, kw_only=True)
class Folder:
    """A folder while it is filled."""

    path: Path
    requests: Mapping[str, str]
    built: BuiltRows
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)

    def build(self, row: ReleaseRow, fetch: Fetch) -> None:
        """Write a row's picture, then note the row; or note why it is refused."""
        try:
            content, name = fetch(), str(row.cells.get("Image"))
            try:
                ref, kept = admit(content.data, max_pixels=MAX_PIXELS)
                kept = as_named(kept, ref.media_type, PurePosixPath(name).suffix)
            except BadImage as bad:
                raise Unfit(bad.reason, f"the picture cannot be used: {bad}") from bad
        except Unfit as bad:
            self.refused[row.key] = {"row": row.key, "ID": row.cells.get("ID"), "reason": bad.reason, "detail": str(bad)}
            return
        write_whole(self.path / name, kept, durable=False)
        sha256 = hashlib.sha256(kept).hexdigest()
        source = str(row.source)
        self.built.add(row.key, Built(text=content.text, sha256=sha256, source=source, revision=content.revision, by=content.by))


def prepare(assembly: Assembly, path: Path, *, progress: Progress) -> dict[str, Any]:
    """Build the missing rows and return `prepared.json`. Raises InputError and RunError; finished rows stay."""
    if unknown := [name for name in assembly.without if name.lower() not in map(str.lower, _NAMES)]:
        raise InputError(f"there is no source {unknown[0]}", hint=f"Choose from: {', '.join(_NAMES)}.")
    requests = read_requests(assembly.requests)
    release = read_release(assembly.release)
    memes = hateful_memes.open_memes(assembly.memes) if assembly.memes else None
    drawn = memes.draw(assembly.limit, assembly.seed) if memes else []
    rows = _rows(release, [hateful_memes.release_row(meme, requests, assembly.seed) for meme in drawn])
    draw = {"limit": assembly.limit, "seed": assembly.seed, "drawn": hateful_memes.digest_of(drawn)} if memes else None
    inputs = {"release": sha256_of(assembly.release), "requests": dict(requests), "hateful memes": draw}
    with locked(path, "--to"):
        _claim(path, inputs)
        with BuiltRows.open(path, {row.key: str(row.cells.get("Image")) for row in rows}) as built:
            folder = Folder(path=path, requests=requests, built=built)
            library = Library(copies=assembly.copies, commits=built.commits())
            waiting = [row for row in rows if row.key not in built.rows]
            with progress("rows", len(waiting)) as advance:
                for row, fetch in _fetches(folder, waiting, assembly.without, library, memes):
                    folder.build(row, fetch)
                    advance(1)
            return _finish(folder, rows, inputs)


def read_release(path: Path) -> list[Any]:
    """The rows of the release. Raises InputError."""
    rows = _read_json(path, "It is data/all_data_release.json of github.com/facebookresearch/multimodal_rewardbench.")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path} holds no list of rows", hint="It must be the repository's all_data_release.json.")
    return rows


def read_requests(path: Path | None) -> dict[str, str]:
    """Our requests, replaced by those of a JSON file. Raises InputError."""
    hint = f"It is a JSON object with any of: {', '.join(REQUESTS)}."
    theirs = {} if path is None else _read_json(path, hint)
    if not isinstance(theirs, dict) or not all(isinstance(text, str) for text in theirs.values()):
        raise InputError(f"{path} is not a JSON object of texts", hint=hint)
    if unknown := sorted(theirs.keys() - REQUESTS.keys()):
        raise InputError(f"{path}: unknown key `{unknown[0]}`", hint=hint)
    return {**REQUESTS, **theirs}


def _read_json(path: Path, hint: str) -> Any:
    try:
        return json.loads(regular(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}", hint=hint) from error


def _rows(release: Sequence[Any], memes: Sequence[dict[str, str]]) -> list[ReleaseRow]:
    """All rows in the order of `all_data.json`. Ids repeat in the release, so a row is known by its number there."""
    rows = []
    for number, row in enumerate(release):
        cells = row if isinstance(row, dict) else {}
        name = source_name(str(cells.get("ID")), str(cells.get("Image")))
        rows.append(ReleaseRow(key=str(number), cells=cells, source=name))
    return rows + [ReleaseRow(key=meme["ID"], cells=meme, source=hateful_memes.PREFIX) for meme in memes]


def _claim(folder: Path, inputs: Mapping[str, Any]) -> None:
    """Make sure that the folder is of these inputs; memes may be added to one that has none. Raises RunError."""
    path = folder / "inputs.json"
    if not path.exists():
        write_json(path, inputs)
        return
    before = read_json(path)
    if before.get("hateful memes") is None and inputs["hateful memes"] is not None:
        before["hateful memes"] = inputs["hateful memes"]
        if not any(differences(inputs, before)):
            write_json(path, inputs)
    if change := next(differences(inputs, before), None):
        raise RunError(
            f"{folder} was prepared from other inputs: {change}", hint="Use another folder (--to), or delete this one."
        )


def _fetches(
    folder: Folder, rows: Sequence[ReleaseRow], without: Sequence[str], library: Library, memes: hateful_memes.Memes | None
) -> Iterator[tuple[ReleaseRow, Fetch]]:
    """Each row with the way to its content, source by source; one that is built or refused before the next is asked for."""
    left_out, usable = [name.lower() for name in without], []
    for row in rows:
        try:
            row.check(left_out)
            usable.append(row)
        except Unfit as bad:
            yield row, partial(_refuse, bad)
    by_source = {name: [row for row in usable if row.source == name] for name in (*_NAMES, hateful_memes.PREFIX)}
    if by_source[PAIRS]:
        yield from _pairs(folder, by_source[PAIRS], library)
    for origin in ORIGINS:
        if by_source[origin.name]:
            yield from _of_data_set(folder, library.open(origin), by_source[origin.name])
    if memes is not None:
        by_id = {f"{hateful_memes.PREFIX}_{meme.number}": meme for meme in memes.memes}
        for row in by_source[hateful_memes.PREFIX]:
            yield row, partial(_meme, row, memes, by_id[row.key])


def _refuse(bad: Unfit) -> NoReturn:
    raise bad


def _meme(row: ReleaseRow, memes: hateful_memes.Memes, meme: hateful_memes.Meme) -> RowContent:
    return RowContent(row.text, memes.picture(meme), LOCAL, "path")


def _pairs(folder: Folder, rows: Sequence[ReleaseRow], library: Library) -> Iterator[tuple[ReleaseRow, Fetch]]:
    """Prompts as shipped; pictures are files of a clone of the repository."""
    cache = folder.path / ".sources"
    data, revision = library.pairs(cache)
    for row in rows:
        yield row, partial(_pair, row, data, revision)
    shutil.rmtree(cache, ignore_errors=True)


def _pair(row: ReleaseRow, data: Path, revision: str) -> RowContent:
    path = data.joinpath(*PurePosixPath(row.cells["Image"]).parts[2:])
    if not path.is_file():
        raise Unfit("missing_source_row", f"{PAIRS_REPOSITORY} has no data/{path.relative_to(data)}")
    if not row.text:
        raise Unfit("no_text", "the release has no `Text` for this row")
    return RowContent(row.text, picture_file(path), revision, "path")


def _of_data_set(folder: Folder, opened: Opened, rows: Sequence[ReleaseRow]) -> Iterator[tuple[ReleaseRow, Fetch]]:
    """The rows of a data set in its order, then those that it lacks."""
    origin, wanted = opened.origin, dict[str | int, list[ReleaseRow]]()
    for row in rows:
        try:
            name = origin.locate(row.cells["Image"], by_key=opened.by != "position")
            wanted.setdefault(name, []).append(row)
        except Unfit as bad:
            yield row, partial(_refuse, bad)
    for name, cells in opened.find(wanted):
        for row in wanted.pop(name):
            yield row, partial(_from_data_set, row, cells, opened, folder.requests)
    for name, missing in wanted.items():
        for row in missing:
            yield row, partial(_refuse, Unfit("missing_source_row", f"{origin.repository} has no row {name}"))


def _from_data_set(row: ReleaseRow, cells: Row, opened: Opened, requests: Mapping[str, str]) -> RowContent:
    data = picture(only_image(cells, opened.origin.images))
    return RowContent(row.text or opened.origin.text(cells, requests), data, opened.revision, opened.by)


def _finish(folder: Folder, rows: Sequence[ReleaseRow], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Write the rows, the refused ones and the record, with warnings where counts differ from the known ones."""
    built = [(row, folder.built.rows[row.key]) for row in rows if row.key in folder.built.rows]
    if not built:
        raise InputError(
            "not one row could be built; the first: " + next(iter(folder.refused.values()))["detail"],
            hint="Check --release and --sources.",
        )
    data = []
    for row, made in built:
        cells = {**row.cells, "Text": made.text}
        data.append({name: cells[name] for name in (*FIELDS, *(name for name in cells if name not in FIELDS))})
    refused = [folder.refused[row.key] for row in rows if row.key in folder.refused]
    contents = {"all_data.json": json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n"}
    if refused:
        contents["refused.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in refused).encode()
    counts = count((row.cells["Category"], row.cells["ID"], str(row.source)) for row, _ in built)
    facts = {
        "name": NAME,
        "source": "github.com/facebookresearch/multimodal_rewardbench",
        "revision": folder.built.revisions([row.key for row, _ in built]),
        **inputs,
        "rows": len(built),
        "refused": dict(sorted(Counter(row["reason"] for row in refused).items())),
        "counts": counts,
        "warnings": [*warnings(counts, len(built)), *_guesses([made for _, made in built])],
    }
    _replace(folder.path, contents)
    return finish(folder.path, facts, [*contents, *{str(row["Image"]) for row in data}])


def _guesses(rows: Sequence[Built]) -> list[str]:
    """Sources whose copies lacked the key column."""
    by_position = {row.source for row in rows if row.by == "position"}
    keyed = [origin for origin in ORIGINS if origin.key is not None and origin.name in by_position]
    return [f"{origin.name}: its copy has no column `{origin.key}`; rows were found by position" for origin in keyed]


def _replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files that differ, with the folder marked as unfinished."""
    changed = [n for n, data in contents.items() if not (folder / n).is_file() or (folder / n).read_bytes() != data]
    stale = (folder / "refused.jsonl").exists() and "refused.jsonl" not in contents
    if (changed or stale) and manifest_of(folder) is not None:
        reopen(folder)
    for name in changed:
        write_whole(folder / name, contents[name])
    if stale:
        with writing(folder):
            (folder / "refused.jsonl").unlink()
