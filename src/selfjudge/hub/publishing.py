"""Publishing: each iteration's pairs and judge are uploaded to the hub once. `pushed.json` in its folder records the uploads.

All judges are commits of one repository, whose main branch is always the final judge; a tag `iteration-K` names each of them.
Pairs go to the data set `NAME-pairs`, one split per iteration. Nothing of a benchmark is published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import PublishError
from ..ports import Hub
from ..recipe.execution import Push
from ..report.card import pairs_card
from ..run.disk import read_json, sha256_of, unfinished_folder, write_json
from ..run.fingerprint import CARD, README
from ..run.folder import ImageStore, RunFolder
from ..run.pictures import bare
from ..run.tables import PAIRS, SELECTED, Row, images_of
from ..types import content_id

_ROWS_AT_ONCE = 64
_PICTURES = pa.list_(pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]))
_DIGESTS = pa.list_(pa.string())


class Publisher:
    """Publishes the iterations of one run folder as its recipe asks."""

    def __init__(self, push: Push, hub: Hub, folder: RunFolder) -> None:
        self._push = push
        self._hub = hub
        self._folder = folder

    @property
    def _data(self) -> str:
        return f"{self._push.to}-pairs"

    def prepare(self, iterations: int) -> None:
        """Check, before anything is computed, that both repositories exist and may be written to. Raises PublishError."""
        targets = {"judge": self._push.to, "pairs": self._data}
        if any(_recorded(self._record(k), name, "to") != to for k in range(1, iterations + 1) for name, to in targets.items()):
            self._hub.prepare(self._push.to, data=False, private=self._push.private)
            self._hub.prepare(self._data, data=True, private=self._push.private)

    def push(self, last: int, best: int, *, over: bool) -> None:
        """Publish what the hub lacks of the iterations up to `last`; at the end of the run, the best judge becomes the final one.

        A failed upload does not stop the run: it is repeated after the next iteration. Raises PublishError only at the end.
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
            if _recorded(self._record(number), "judge") != self._digest(number):
                self._push_judge(number, f"iteration-{number}", f"Iteration {number}")

    def _name_final(self, number: int) -> None:
        if _recorded(self._main, "judge") != self._digest(number):
            self._push_judge(number, None, f"The final judge: iteration {number}")

    def _record(self, number: int) -> Path:
        return self._folder.iteration(number) / "pushed.json"

    @property
    def _main(self) -> Path:
        """The record of the judge on the main branch."""
        return self._folder.root / "pushed.json"

    def _digest(self, number: int) -> str:
        judge = self._folder.iteration(number) / "judge"
        return content_id(self._push.to, self._folder.fingerprint(judge), [sha256_of(judge / card) for card in (CARD, README)])

    def _push_judge(self, number: int, tag: str | None, message: str) -> None:
        """Upload a judge to the main branch and tag its commit."""
        judge = self._folder.iteration(number) / "judge"
        commit = self._hub.upload(judge, self._push.to, data=False, message=message, tag=tag)
        upload = {"to": self._push.to, "commit": commit, "tag": tag, "digest": self._digest(number)}
        _add(self._main, "judge", upload)
        if tag is not None:
            _add(self._record(number), "judge", upload)

    def _push_pairs(self, number: int) -> None:
        iteration, record = self._folder.iteration(number), self._record(number)
        digest = content_id(
            self._data, self._push.images, sha256_of(iteration / "pairs.parquet"), sha256_of(iteration / "selected.parquet")
        )
        if _recorded(record, "pairs") == digest:
            return
        with unfinished_folder(iteration / "pairs") as folder:
            write_pairs(iteration, self._folder.images if self._push.images else None, folder / _name(number))
            card = pairs_card(read_json(iteration / "judge" / CARD), self._push.to, self._push.images, list(self._files(number)))
            (folder / README).write_text(card, encoding="utf-8")
            commit = self._hub.upload(folder, self._data, data=True, message=f"Pairs of iteration {number}", tag=None)
        _add(record, "pairs", {"to": self._data, "commit": commit, "tag": None, "digest": digest})

    def _files(self, last: int) -> Iterator[dict[str, Any]]:
        for number in range(1, last + 1):
            rows = pq.read_metadata(self._folder.iteration(number) / "pairs.parquet").num_rows
            yield {"split": f"iteration_{number}", "path": _name(number), "rows": rows}


def _name(number: int) -> str:
    return f"pairs/iteration-{number}.parquet"


def _uploads(record: Path) -> dict[str, Any]:
    return read_json(record) if record.exists() else {}


def _recorded(record: Path, name: str, field: str = "digest") -> str | None:
    uploads = _uploads(record)
    return str(uploads[name][field]) if name in uploads else None


def _add(record: Path, name: str, upload: dict[str, Any]) -> None:
    write_json(record, {**_uploads(record), name: upload})


def write_pairs(iteration: Path, images: ImageStore | None, path: Path) -> None:
    """Write the pairs of an iteration to one Parquet file, with images in the form that `datasets` reads, or with digests only.

    The column `kept` is true for pairs that the judge of the iteration was trained on.
    """
    kept = set(pq.read_table(iteration / f"{SELECTED.name}.parquet", columns=["pair_id"])["pair_id"].to_pylist())
    fields = [pa.field("images", _PICTURES if images else _DIGESTS) if f.name == "images" else f for f in PAIRS.schema]
    schema = pa.schema([*fields, pa.field("kept", pa.bool_())])
    schema = with_features(schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetFile(iteration / f"{PAIRS.name}.parquet") as pairs, pq.ParquetWriter(path, schema, compression="zstd") as file:
        for rows in pairs.iter_batches(_ROWS_AT_ONCE, columns=PAIRS.schema.names):
            full = [{**row, "images": _pictures(row, images), "kept": row["id"] in kept} for row in rows.to_pylist()]
            file.write_table(pa.Table.from_pylist(full, schema=schema))


def _pictures(row: Row, images: ImageStore | None) -> list[Any]:
    refs = images_of(row)
    return [ref.sha256 if images is None else {"bytes": bare(images.get(ref)), "path": images.path(ref).name} for ref in refs]


def with_features(schema: pa.Schema) -> pa.Schema:
    """A schema with what `datasets` reads from a file's metadata: that its pictures are images."""
    features = {field.name: _feature(field.type) for field in schema}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> Any:
    """The feature that `datasets` records in its files for an Arrow type."""
    if kind == _PICTURES.value_type:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": str(kind), "_type": "Value"}
