"""A trainer without training: the start model again, with a note of what it was shown. For tests and for trying out a recipe."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from ..ports import Advance, Example, Fit


class ScriptedTrainer:
    """Copies the model folder it starts from, and writes a digest of the examples into it."""

    def fit(self, examples: Collection[Example], *, start: Path, into: Path, work: Path, seed: int, advance: Advance) -> Fit:
        shutil.copytree(start, into, dirs_exist_ok=True)
        digest = hashlib.sha256()
        for number, example in enumerate(examples):
            digest.update(("\n" * bool(number) + f"{example.key} {example.reply}").encode())
        (into / "scripted.txt").write_text(f"{len(examples)} examples, {digest.hexdigest()}, seed {seed}\n")
        advance(len(examples))
        return Fit(steps=len(examples), loss=0.0)
