"""Hostile and odd model folders, each with a part of what is said when it is loaded, or None where it is a model.

`python tests/hostile/models.py FOLDER` writes them. Each is the embedded model with something changed.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfjudge.hub.models import embedded_model

Change = Callable[[Path], Any]
WEIGHTS, CONFIG, TOKENIZER, PROCESSOR, CARD = (
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "processor_config.json",
    "selfjudge.json",
)
DEEP = "[" * 100_000
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def holds(name: str, data: bytes | str) -> Change:
    return lambda folder: (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def without(*names: str) -> Change:
    return lambda folder: [(folder / name).unlink() for name in names]


def with_fields(name: str, **fields: Any) -> Change:
    def change(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**values, **fields}))

    return change


def text_config(**fields: Any) -> Change:
    def change(folder: Path) -> None:
        values = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**values, "text_config": {**values["text_config"], **fields}}))

    return change


def header(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Weights whose header is another one."""

    def write(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        size = struct.unpack("<Q", data[:8])[0]
        text = json.dumps(change(json.loads(data[8 : 8 + size]))).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])

    return write


def tensors(change: Callable[[str, dict[str, Any]], tuple[str, dict[str, Any]]]) -> Change:
    """Weights whose tensors are described otherwise."""
    return header(lambda head: dict(change(name, one) if name != "__metadata__" else (name, one) for name, one in head.items()))


def pipe(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


def as_folder(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


def linked(name: str, target: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return change


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.")


CARDS = {
    "no JSON": "{",
    "a list": "[]",
    "a number": "5",
    "empty": "",
    "deep": DEEP,
    "NaN": '{"judging": NaN}',
    "null": '{"judging": null}',
    "a list of it": '{"judging": []}',
    "another key": '{"judging": {"x": 1}}',
    "a template of nothing": '{"judging": {"template": ""}}',
    "an infinite temperature": '{"judging": {"sampling": {"temperature": Infinity}}}',
    "without judging": "{}",
}
CONFIGS: dict[str, str | bytes] = {
    "empty": "",
    "no JSON": "{",
    "a list": "[]",
    "null": "null",
    "a number": "3",
    "deep": DEEP,
    "bytes": b"\xff\xfe\0",
    "a pointer": POINTER,
}

FOLDERS: dict[str, tuple[Change, str | None]] = {
    "whole": (lambda folder: None, None),
    "with a pipe beside it": (lambda folder: os.mkfifo(folder / "pipe"), None),
    "with an endless file beside it": (linked("zero", "/dev/zero"), None),
    "with links in a circle": (linked("circle", "."), None),
    "with a link to nothing": (linked("nothing", "gone"), None),
    "with pickles beside it": (holds("optimizer.pt", b"\x80\x04\x8c\x05posix\x8c\x06system\x93."), None),
    "with a name that is not UTF-8": (lambda folder: (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).write_text("x"), None),
    "without its card": (without(CARD), None),
    # what is missing
    "empty": (lambda folder: [path.unlink() for path in folder.iterdir()], "config.json"),
    "without a configuration": (without(CONFIG), "config.json"),
    "without weights": (without(WEIGHTS), "weights"),
    "without a tokenizer": (without(TOKENIZER), "cannot load the model"),
    "without a processor": (without(PROCESSOR), "cannot load the model"),
    "without a chat template": (without("chat_template.jinja"), "chat template"),
    # the configuration
    **{f"config: {name}": (holds(CONFIG, text), CONFIG) for name, text in CONFIGS.items()},
    "config: nothing": (holds(CONFIG, "{}"), "cannot load the model"),
    "config: a type that nobody knows": (with_fields(CONFIG, model_type="no-such-model"), "cannot load the model"),
    "config: a type that is a number": (with_fields(CONFIG, model_type=5), "cannot load the model"),
    "config: a text model": (holds(CONFIG, '{"model_type": "llama"}'), "cannot load the model"),
    "config: 0 layers of infinity": (text_config(num_hidden_layers=float("inf")), "config.json"),
    "config: NaN heads": (text_config(num_attention_heads=float("nan")), "config.json"),
    "config: 0 heads": (text_config(num_attention_heads=0), "cannot load the model"),
    "config: heads in words": (text_config(num_attention_heads="many"), "config.json"),
    "config: another width": (text_config(hidden_size=7), "cannot load the model"),
    "config: another vocabulary": (text_config(vocab_size=7), "cannot load the model"),
    "config: a part that is a list": (with_fields(CONFIG, text_config=[]), "cannot load the model"),
    "config: a pipe": (pipe(CONFIG), "config.json"),
    "config: a folder": (as_folder(CONFIG), "config.json"),
    # other files
    "tokenizer: no JSON": (holds(TOKENIZER, "{"), "cannot load the model"),
    "tokenizer: nothing": (holds(TOKENIZER, "{}"), "cannot load the model"),
    "tokenizer: a pipe": (pipe(TOKENIZER), "pipe"),
    "processor: no JSON": (holds(PROCESSOR, "{"), "cannot load the model"),
    "processor: a list": (holds(PROCESSOR, "[]"), "cannot load the model"),
    "generation: no JSON": (holds("generation_config.json", "{"), None),
    "template: no template": (holds("chat_template.jinja", "{% for %}"), "chat template"),
    "template: an escape": (holds("chat_template.jinja", "{{ ''.__class__.__mro__[1].__subclasses__() }}"), "chat template"),
    "template: never ends": (holds("chat_template.jinja", "{% for a in range(10**9) %}x{% endfor %}"), "chat template"),
    "template: bytes": (holds("chat_template.jinja", b"\xff\xfe\xff"), "cannot load the model"),
    # weights
    "weights: empty": (holds(WEIGHTS, b""), WEIGHTS),
    "weights: a pointer": (holds(WEIGHTS, POINTER), WEIGHTS),
    "weights: a header of 2^63": (holds(WEIGHTS, struct.pack("<Q", 2**63) + b"{}"), WEIGHTS),
    "weights: a deep header": (holds(WEIGHTS, struct.pack("<Q", len(DEEP)) + DEEP.encode()), WEIGHTS),
    "weights: a header that is a list": (header(lambda head: [head]), WEIGHTS),
    "weights: no tensors": (holds(WEIGHTS, struct.pack("<Q", 2) + b"{}"), "weights"),
    "weights: cut": (lambda folder: os.truncate(folder / WEIGHTS, 100_000), WEIGHTS),
    "weights: a tensor beyond the end": (tensors(lambda n, t: (n, {**t, "data_offsets": [0, 2**62]})), WEIGHTS),
    "weights: a negative shape": (tensors(lambda n, t: (n, {**t, "shape": [-1]})), WEIGHTS),
    "weights: a shape of 2^62": (tensors(lambda n, t: (n, {**t, "shape": [2**62, 2**62]})), WEIGHTS),
    "weights: a type that nobody knows": (tensors(lambda n, t: (n, {**t, "dtype": "X9"})), WEIGHTS),
    "weights: other names": (tensors(lambda n, t: ("x." + n, t)), "lack "),
    "weights: pickled": (pickled, "weights"),
    "weights: a pipe": (pipe(WEIGHTS), WEIGHTS),
    "weights: a folder": (as_folder(WEIGHTS), WEIGHTS),
    "weights: a link to nothing": (linked(WEIGHTS, "gone"), WEIGHTS),
    "weights: endless": (linked(WEIGHTS, "/dev/zero"), WEIGHTS),
    "weights: an index of other files": (holds(WEIGHTS + ".index.json", '{"weight_map": {"x": "gone.safetensors"}}'), None),
    # cards
    **{f"card: {name}": (holds(CARD, text), CARD) for name, text in CARDS.items()},
    "card: a pipe": (pipe(CARD), CARD),
    "card: bytes": (holds(CARD, b"\xff\xfe\0"), CARD),
}


def write(name: str, folder: Path) -> Path:
    """Write one of the folders; its path."""
    shutil.copytree(embedded_model(), folder / "model")
    FOLDERS[name][0](folder / "model")
    return folder / "model"


if __name__ == "__main__":
    for number, name in enumerate(FOLDERS):
        print(write(name, Path(sys.argv[1], str(number))), name)
