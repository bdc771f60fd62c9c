"""A training as files in its workplace: what processes of its own are given, how far they are, and what they give back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..chat import Message
from ..errors import TrainerError
from ..ports import Advance, Example, Fit
from ..recipe.execution import TrainerSettings
from ..recipe.training import Training
from ..run.disk import read_json, write_json, write_whole
from ..types import ImageRef
from .sft import Task

_JOB, _FIT, _ERROR, _PROGRESS = "job.json", "fit.json", "error.json", "progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A task with its measured examples, whose images lie in the store `images`."""

    task: Task
    images: Path
    examples: Sequence[Example]
    lengths: Sequence[int]

    def write(self) -> Path:
        """Write the job into its workplace, where no trace of an earlier try is left; its path."""
        work = self.task.work
        for name in (_FIT, _ERROR, _PROGRESS):
            (work / name).unlink(missing_ok=True)
        task = {name: str(value) for name, value in asdict(self.task).items() if name not in ("recipe", "settings")}
        examples = [_to_json(example) for example in self.examples]
        value = {
            "task": task,
            "recipe": self.task.recipe.model_dump(mode="json"),
            "settings": self.task.settings.model_dump(mode="json"),
            "images": str(self.images),
            "lengths": list(self.lengths),
        }
        write_json(work / _JOB, {**value, "examples": examples})
        return work / _JOB

    @staticmethod
    def read(path: Path) -> Job:
        value = read_json(path)
        places = {name: Path(value["task"][name]) for name in ("start", "into", "work")}
        return Job(
            task=Task(
                recipe=Training(**value["recipe"]),
                settings=TrainerSettings(**value["settings"]),
                seed=int(value["task"]["seed"]),
                **places,
            ),
            images=Path(value["images"]),
            examples=[_of_json(example) for example in value["examples"]],
            lengths=value["lengths"],
        )


class Outcome:
    """What the processes of a job write down, and whoever started them reads."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._told = 0

    def say_progress(self, examples: int) -> None:
        """So many more examples have been learned, counted from the start of this process."""
        self._told += examples
        write_whole(self._work / _PROGRESS, str(self._told).encode(), durable=False)

    def say_fit(self, fit: Fit) -> None:
        write_json(self._work / _FIT, asdict(fit))

    def say_error(self, message: str, hint: str | None) -> None:
        """The first error counts: what other processes say after it are its consequences."""
        if not (self._work / _ERROR).exists():
            write_json(self._work / _ERROR, {"message": message, "hint": hint})

    def tell_progress(self, advance: Advance) -> None:
        """Pass on what was learned since the last time. Processes that had to start again are waited for."""
        path = self._work / _PROGRESS
        seen = int(path.read_text()) if path.exists() else 0
        if seen > self._told:
            advance(seen - self._told)
            self._told = seen

    def fit(self) -> Fit | None:
        """What training reported; None where it ended without a word. Raises TrainerError where it said what went wrong."""
        if (self._work / _FIT).exists():  # also where an earlier try had failed
            fit = read_json(self._work / _FIT)
            return Fit(steps=fit["steps"], loss=fit["loss"], losses=tuple(fit["losses"]))
        if (self._work / _ERROR).exists():
            error = read_json(self._work / _ERROR)
            raise TrainerError(error["message"], hint=error["hint"])
        return None


def _to_json(example: Example) -> dict[str, Any]:
    messages = [
        {"role": m.role, "content": [b if isinstance(b, str) else asdict(b) for b in m.content]} for m in example.messages
    ]
    return {"key": example.key, "messages": messages, "reply": example.reply}


def _of_json(value: dict[str, Any]) -> Example:
    messages = tuple(
        Message(role=m["role"], content=tuple(b if isinstance(b, str) else ImageRef(**b) for b in m["content"]))
        for m in value["messages"]
    )
    return Example(key=value["key"], messages=messages, reply=value["reply"])
