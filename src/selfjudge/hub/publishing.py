"""Publishing: each iteration's pairs and judge go to the hub, once. `pushed.json` in its folder says what is there already.

Judges share one repository, so that its plain name is always the final judge; a tag `iteration-K` keeps each of them reachable.
Pairs go to a data set of the same name with `-pairs` behind it, one split an iteration. Neither has anything of a benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import PublishError
from ..ports import Hub, blocks
from ..recipe.execution import Push
from ..report.card import pairs_card
from ..run.disk import read_json, sha256_of, write_json
from ..run.folder import CARD, README, ImageStore, RunFolder, fingerprint
from ..run.tables import PAIRS, SELECTED, Row, images_of
from ..types import content_id

_ROWS_AT_ONCE = 64
_PICTURES = pa.list_(pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]))
_DIGESTS = pa.list_(pa.string())


class Publisher:
    """What a recipe says about publishing, for one run folder."""

    def __init__(self, push: Push, hub: Hub, folder: RunFolder) -> None:
        self._push = push
        self._hub = hub
        self._folder = folder

    @property
    def _data(self) -> str:
        return f"{self._push.to}-pairs"

    def prepare(self, iterations: int) -> None:
        """Make sure that the hub takes what will be published, before anything is computed. Raises PublishError."""
        places = {"judge": self._push.to, "pairs": self._data}
        if any(_noted(self._record(k), name, "to") != to for k in range(1, iterations + 1) for name, to in places.items()):
            self._hub.prepare(self._push.to, data=False, private=self._push.private)
            self._hub.prepare(self._data, data=True, private=self._push.private)

    def push(self, last: int, best: int, *, over: bool) -> None:
        """Publish what the hub lacks of the iterations up to `last`, and once the run is over the best judge as the final one.

        A hub that fails does not hold up a run: it is tried again after the next iteration, and PublishError at the end.
        """
        try:
            self._push_missing(last)
            if over and last:
                self._name_final(best or last)
        except PublishError:
            if over and last:
                raise

    def _push_missing(self, last: int) -> None:
        for number in range(1, last + 1):
            self._push_pairs(number)
            if _noted(self._record(number), "judge") != self._digest(number):
                self._push_judge(number, f"iteration-{number}", f"Iteration {number}")

    def _name_final(self, number: int) -> None:
        if _noted(self._plain, "judge") != self._digest(number):
            self._push_judge(number, None, f"The final judge: iteration {number}")

    def _record(self, number: int) -> Path:
        return self._folder.iteration(number) / "pushed.json"

    @property
    def _plain(self) -> Path:
        """What the plain name of the judges holds."""
        return self._folder.root / "pushed.json"

    def _digest(self, number: int) -> str:
        judge = self._folder.iteration(number) / "judge"
        return content_id(self._push.to, fingerprint(judge), [sha256_of(judge / card) for card in (CARD, README)])

    def _push_judge(self, number: int, tag: str | None, message: str) -> None:
        """Let the plain name hold a judge, and a tag stay with it."""
        judge = self._folder.iteration(number) / "judge"
        commit = self._hub.upload(judge, self._push.to, data=False, message=message, tag=tag)
        noted = {"to": self._push.to, "commit": commit, "tag": tag, "digest": self._digest(number)}
        _note(self._plain, "judge", noted)
        if tag is not None:
            _note(self._record(number), "judge", noted)

    def _push_pairs(self, number: int) -> None:
        place, record = self._folder.iteration(number), self._record(number)
        digest = content_id(
            self._data, self._push.images, sha256_of(place / "pairs.parquet"), sha256_of(place / "selected.parquet")
        )
        if _noted(record, "pairs") == digest:
            return
        with TemporaryDirectory(prefix=".pairs-", dir=place) as temporary:
            folder = Path(temporary)
            write_pairs(place, self._folder.images if self._push.images else None, folder / _name(number))
            card = pairs_card(read_json(place / "judge" / CARD), self._push.to, self._push.images, list(self._files(number)))
            (folder / README).write_text(card, encoding="utf-8")
            commit = self._hub.upload(folder, self._data, data=True, message=f"Pairs of iteration {number}", tag=None)
        _note(record, "pairs", {"to": self._data, "commit": commit, "tag": None, "digest": digest})

    def _files(self, last: int) -> Iterator[dict[str, Any]]:
        for number in range(1, last + 1):
            rows = pq.read_metadata(self._folder.iteration(number) / "pairs.parquet").num_rows
            yield {"split": f"iteration_{number}", "path": _name(number), "rows": rows}


def _name(number: int) -> str:
    return f"pairs/iteration-{number}.parquet"


def _noted(record: Path, name: str, what: str = "digest") -> str | None:
    noted = read_json(record) if record.exists() else {}
    return str(noted[name][what]) if name in noted else None


def _note(record: Path, name: str, value: dict[str, Any]) -> None:
    write_json(record, {**(read_json(record) if record.exists() else {}), name: value})


def write_pairs(iteration: Path, images: ImageStore | None, path: Path) -> None:
    """The pairs of an iteration as one Parquet file, with their images as `datasets` reads them, or with digests alone.

    `kept` says whether a pair taught the judge of the iteration.
    """
    kept = set(pq.read_table(iteration / f"{SELECTED.name}.parquet", columns=["pair_id"])["pair_id"].to_pylist())
    fields = [pa.field("images", _PICTURES if images else _DIGESTS) if f.name == "images" else f for f in PAIRS.schema]
    schema = pa.schema([*fields, pa.field("kept", pa.bool_())])
    features = {field.name: _feature(field.type) for field in schema}
    if images:
        features["images"] = {"feature": {"_type": "Image"}, "_type": "List"}
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pq.read_table(iteration / f"{PAIRS.name}.parquet", schema=PAIRS.schema).to_pylist()
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for block in blocks(rows, _ROWS_AT_ONCE):
            written = [{**row, "images": _pictures(row, images), "kept": row["id"] in kept} for row in block]
            file.write_table(pa.Table.from_pylist(written, schema=schema))


def _pictures(row: Row, images: ImageStore | None) -> list[Any]:
    refs = images_of(row)
    return [ref.sha256 if images is None else {"bytes": images.get(ref), "path": images.path(ref).name} for ref in refs]


def _feature(kind: pa.DataType) -> Any:
    """An Arrow type as `datasets` writes it into its files."""
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": str(kind), "_type": "Value"}
