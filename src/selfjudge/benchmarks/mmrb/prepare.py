"""Multimodal RewardBench put together from its sources: `all_data.json` in the official form, and the pictures beside it.

    FOLDER/
    ├── all_data.json       the release's rows that could be built, in its order, then those of the user's memes
    ├── images/SOURCE/…     as the release names them
    ├── refused.jsonl       rows that could not be built, each with a reason; absent when there are none
    ├── rows.jsonl          the ledger: what is done; a killed `prepare` goes on after its last line
    ├── inputs.json         what the ledger belongs to
    └── prepared.json       written last: counts, revisions, SHA-256 of every file

A picture is kept byte for byte where its format is the one that its name says, and encoded anew where it is not. (The official
script encodes every JPEG once more.)
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError, RunError
from ...ports import Progress
from ...recipe.experiment import MAX_PIXELS
from ...run.disk import difference, read_json, sha256_of, write_json, write_whole, writing
from ...run.images import BadImage, admit
from ..catalogue import manifest_of
from ..multimodal_rewardbench import NAME
from ..pictures import as_named
from ..prepared import finish, held, reopen
from . import hateful_memes
from .counts import count, warnings
from .ledger import Built, Ledger
from .rows import LOCAL, Library, picture, picture_file
from .sources import PAIRS, PAIRS_REPOSITORY, REQUESTS, SOURCES, Source, Unfit, only_image, source_name

FIELDS = ("ID", "Text", "Image", "Output1", "Output2", "Better", "Category")
_GIVEN = ("ID", "Image", "Output1", "Output2", "Better", "Category")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to put together, and from what.

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
class Task:
    """One row to build: its key in the ledger, the row as the release has it, and its source; None where it has none."""

    key: str
    row: Mapping[str, Any]
    source: str | None


@dataclass(slots=True, kw_only=True)
class Work:
    """A folder while it is filled."""

    folder: Path
    requests: Mapping[str, str]
    ledger: Ledger
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)

    def refuse(self, task: Task, bad: Unfit) -> None:
        identity = task.row.get("ID")
        self.refused[task.key] = {"row": task.key, "ID": identity, "reason": bad.reason, "detail": str(bad)}

    def build(self, task: Task, text: str, data: bytes, *, revision: str, by: str) -> None:
        """Write a row's picture, then note the row. Raises Unfit."""
        name = str(task.row["Image"])
        try:
            ref, kept = admit(data, max_pixels=MAX_PIXELS)
            kept = as_named(kept, ref.media_type, PurePosixPath(name).suffix)
        except BadImage as bad:
            raise Unfit(bad.reason, f"the picture cannot be used: {bad}") from bad
        write_whole(self.folder / name, kept, durable=False)
        sha256 = hashlib.sha256(kept).hexdigest()
        self.ledger.add(task.key, Built(text=text, sha256=sha256, source=str(task.source), revision=revision, by=by))


def prepare(plan: Plan, folder: Path, *, progress: Progress) -> dict[str, Any]:
    """Build what is not built yet and return `prepared.json`. Raises InputError and RunError; what is done stays."""
    _check_names(plan.without)
    requests = read_requests(plan.requests)
    release = read_release(plan.release)
    memes = hateful_memes.open_memes(plan.memes) if plan.memes else None
    drawn = memes.draw(plan.limit, plan.seed) if memes else []
    tasks = _tasks(release, drawn, requests, plan.seed)
    with held(folder):
        inputs = {
            "release": sha256_of(plan.release),
            "requests": dict(requests),
            "hateful memes": {"limit": plan.limit, "seed": plan.seed, "drawn": hateful_memes.digest_of(drawn)} if memes else None,
        }
        _claim(folder, inputs)
        with Ledger.open(folder, {task.key: str(task.row.get("Image")) for task in tasks}) as ledger:
            work = Work(folder=folder, requests=requests, ledger=ledger)
            waiting = list(_usable(work, [task for task in tasks if task.key not in ledger.built], plan.without))
            library = Library(copies=plan.copies, commits=ledger.commits())
            with progress("rows", len(waiting)) as advance:
                for name, group in _by_source(waiting).items():
                    for task in _built(work, name, group, library, memes):
                        advance(1)
            return _finish(work, tasks, inputs)


def _check_names(without: Sequence[str]) -> None:
    known = [PAIRS, *(source.name for source in SOURCES)]
    if unknown := [name for name in without if name.lower() not in map(str.lower, known)]:
        raise InputError(f"there is no source {unknown[0]}", hint=f"--without takes: {', '.join(known)}.")


def read_release(path: Path) -> list[Any]:
    """The rows of the release. Raises InputError."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}",
            hint="It is data/all_data_release.json of github.com/facebookresearch/multimodal_rewardbench.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}", hint="Download it again.") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path} holds no list of rows", hint="It must be the repository's all_data_release.json.")
    return rows


def read_requests(path: Path | None) -> dict[str, str]:
    """Our requests, with those of a JSON file in their place. Raises InputError."""
    if path is None:
        return dict(REQUESTS)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}", hint=f"A JSON object with any of: {', '.join(REQUESTS)}.") from error
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise InputError(f"{path} is no JSON object of texts", hint=f"Its keys may be: {', '.join(REQUESTS)}.")
    if unknown := sorted(given.keys() - REQUESTS.keys()):
        raise InputError(f"{path}: unknown key `{unknown[0]}`", hint=f"Known are {', '.join(REQUESTS)}.")
    return {**REQUESTS, **given}


def _tasks(release: Sequence[Any], drawn: Sequence[hateful_memes.Meme], requests: Mapping[str, str], seed: int) -> list[Task]:
    """All rows in the order of `all_data.json`. Ids repeat in the release, so a row is known by its number there."""
    tasks = []
    for number, row in enumerate(release):
        fields = row if isinstance(row, dict) else {}
        name = source_name(str(fields.get("ID")), str(fields.get("Image")))
        tasks.append(Task(key=str(number), row=fields, source=name))
    for meme in drawn:
        row = hateful_memes.release_row(meme, requests, seed)
        tasks.append(Task(key=row["ID"], row=row, source=hateful_memes.PREFIX))
    return tasks


def _claim(folder: Path, inputs: Mapping[str, Any]) -> None:
    """Make sure that the folder is of these inputs; memes may be added to one that has none. Raises RunError."""
    path = folder / "inputs.json"
    if not path.exists():
        write_json(path, inputs)
        return
    before = read_json(path)
    if before.get("hateful memes") is None and inputs["hateful memes"] is not None:
        before["hateful memes"] = inputs["hateful memes"]
        if difference(inputs, before) is None:
            write_json(path, inputs)
    if (found := difference(inputs, before)) is not None:
        raise RunError(f"{folder} was prepared from other inputs: {found}", hint="Use another folder (--to), or delete this one.")


def _usable(work: Work, tasks: Sequence[Task], without: Sequence[str]) -> Iterator[Task]:
    """The rows that can be looked for; the others are refused."""
    left_out = {name.lower() for name in without}
    for task in tasks:
        try:
            _check(task)
            if str(task.source).lower() in left_out:
                raise Unfit("left_out", f"{task.source} was left out (--without)")
        except Unfit as bad:
            work.refuse(task, bad)
        else:
            yield task


def _check(task: Task) -> None:
    row = task.row
    if missing := [name for name in _GIVEN if not isinstance(row.get(name), str)]:
        raise Unfit("invalid_row", f"`{missing[0]}` is {'missing' if missing[0] not in row else 'not text'}")
    if row["Better"] not in ("Output1", "Output2"):
        raise Unfit("invalid_row", f"`Better` is {row['Better']!r:.40}, neither Output1 nor Output2")
    parts = PurePosixPath(row["Image"]).parts
    if len(parts) < 3 or parts[0] != "images" or ".." in parts or "\\" in row["Image"] or "\0" in row["Image"]:
        raise Unfit("bad_image_path", f"`Image` is {row['Image']!r:.80}, not images/SOURCE/NAME")
    if task.source is None:
        raise Unfit("unknown_source", "neither `ID` nor `Image` names a known source")


def _by_source(tasks: Sequence[Task]) -> dict[str, list[Task]]:
    """Rows grouped by source, in the order in which the sources are asked."""
    order = [PAIRS, *(source.name for source in SOURCES), hateful_memes.PREFIX]
    return {name: group for name in order if (group := [task for task in tasks if task.source == name])}


def _built(work: Work, name: str, tasks: Sequence[Task], library: Library, memes: hateful_memes.Memes | None) -> Iterator[Task]:
    """Build the rows of one source; each is handed on when it is built or refused."""
    if name == PAIRS:
        yield from _pairs(work, tasks, library)
    elif name == hateful_memes.PREFIX and memes is not None:
        yield from _memes(work, tasks, memes)
    else:
        source = next(source for source in SOURCES if source.name == name)
        yield from _of_data_set(work, source, tasks, library)


def _pairs(work: Work, tasks: Sequence[Task], library: Library) -> Iterator[Task]:
    """Prompts as shipped; pictures are files of a clone of the repository."""
    cache = work.folder / ".sources"
    data, revision = library.pairs(cache)
    for task in tasks:
        try:
            path = data.joinpath(*PurePosixPath(task.row["Image"]).parts[2:])
            if not path.is_file():
                raise Unfit("missing_source_row", f"{PAIRS_REPOSITORY} has no data/{path.relative_to(data)}")
            if not _text(task):
                raise Unfit("no_text", "the release has no `Text` for this row")
            work.build(task, _text(task), picture_file(path), revision=revision, by="path")
        except Unfit as bad:
            work.refuse(task, bad)
        yield task
    shutil.rmtree(cache, ignore_errors=True)


def _memes(work: Work, tasks: Sequence[Task], memes: hateful_memes.Memes) -> Iterator[Task]:
    by_id = {f"{hateful_memes.PREFIX}_{meme.number}": meme for meme in memes.memes}
    for task in tasks:
        try:
            work.build(task, _text(task), memes.picture(by_id[task.key]), revision=LOCAL, by="path")
        except Unfit as bad:
            work.refuse(task, bad)
        yield task


def _of_data_set(work: Work, source: Source, tasks: Sequence[Task], library: Library) -> Iterator[Task]:
    opened = library.open(source)
    places: dict[str | int, list[Task]] = {}
    for task in tasks:
        try:
            image = task.row["Image"]
            place = source.position(PurePosixPath(image).stem) if opened.by_position else source.place(image)
            places.setdefault(place, []).append(task)
        except Unfit as bad:
            work.refuse(task, bad)
            yield task
    for place, row in opened.find(places):
        for task in places.pop(place):
            try:
                data = picture(only_image(row, source.images))
                text = _text(task) or source.text(row, work.requests)
                work.build(task, text, data, revision=opened.revision, by=opened.by)
            except Unfit as bad:
                work.refuse(task, bad)
            yield task
    for place, missing in places.items():
        for task in missing:
            work.refuse(task, Unfit("missing_source_row", f"{source.repository} has no row {place}"))
            yield task


def _text(task: Task) -> str:
    """The prompt that a row brings itself; empty where it brings none."""
    text = task.row.get("Text")
    return text if isinstance(text, str) and text.strip() else ""


def _finish(work: Work, tasks: Sequence[Task], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Write the rows, the refused ones and what was made, and say what differs from the known counts."""
    rows = [(task, {**task.row, "Text": work.ledger.built[task.key].text}) for task in tasks if task.key in work.ledger.built]
    if not rows:
        raise InputError(
            "not one row could be built; the first: " + next(iter(work.refused.values()))["detail"],
            hint=f"{work.folder / 'refused.jsonl'} would hold every row; check --release and --sources.",
        )
    ordered = [{name: row[name] for name in (*FIELDS, *(n for n in row if n not in FIELDS))} for _, row in rows]
    refused = [work.refused[task.key] for task in tasks if task.key in work.refused]
    contents = {"all_data.json": json.dumps(ordered, indent=2, ensure_ascii=False).encode() + b"\n"}
    if refused:
        contents["refused.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in refused).encode()
    counts = count((row["Category"], row["ID"], str(task.source)) for task, row in rows)
    facts = {
        "name": NAME,
        "source": "github.com/facebookresearch/multimodal_rewardbench",
        "revision": work.ledger.revisions({task.key for task, _ in rows}),
        **inputs,
        "rows": len(rows),
        "refused": _reasons(refused),
        "counts": counts,
        "warnings": [*warnings(counts, len(rows)), *_guesses(work.ledger, [task.key for task, _ in rows])],
    }
    _replace(work.folder, contents)
    return finish(work.folder, facts, [*contents, *{str(row["Image"]) for _, row in rows}])


def _guesses(ledger: Ledger, keys: Sequence[str]) -> list[str]:
    """Sources that lacked the column that their rows are to be found by."""
    found = {ledger.built[key].source for key in keys if ledger.built[key].by == "position"}
    keyed = [source for source in SOURCES if source.key is not None and source.name in found]
    return [f"{source.name}: its copy has no column `{source.key}`; rows were found by position" for source in keyed]


def _reasons(refused: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    reasons = sorted(row["reason"] for row in refused)
    return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


def _replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files that differ, after the folder was marked as unfinished."""
    changed = [n for n, data in contents.items() if not (folder / n).is_file() or (folder / n).read_bytes() != data]
    stale = (folder / "refused.jsonl").exists() and "refused.jsonl" not in contents
    if (changed or stale) and manifest_of(folder) is not None:
        reopen(folder)
    for name in changed:
        write_whole(folder / name, contents[name])
    if stale:
        with writing(folder):
            (folder / "refused.jsonl").unlink()
