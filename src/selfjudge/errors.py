"""Errors that a user can act on. One tree; each error says what is wrong and carries a hint what to do.

    SelfjudgeError
    ├── RecipeError    a recipe or a `--set` cannot be used as it is
    ├── InputError     a prompt file, model folder or image cannot be read
    ├── RunError       the run folder cannot be used: another recipe, another process, a damaged file, a full disk
    ├── EngineError    text generation broke as a whole (one failed request is a `Completion`, not an error)
    ├── TrainerError   training broke; the previous judge stands
    └── PublishError   the hub does not take what a recipe publishes; nothing that was computed is lost

Foreign exceptions become one of these at the edge where they arise. The command line prints `error:` and `hint:`.
"""

from __future__ import annotations


class SelfjudgeError(Exception):
    """Something went wrong that the user can do something about."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class RecipeError(SelfjudgeError):
    """A recipe or a `--set` cannot be used as it is."""


class InputError(SelfjudgeError):
    """A prompt file, model folder or image cannot be read."""


class RunError(SelfjudgeError):
    """The run folder cannot be used."""


class EngineError(SelfjudgeError):
    """Text generation broke as a whole."""


class TrainerError(SelfjudgeError):
    """Training broke; the previous judge stands."""


class PublishError(SelfjudgeError):
    """The hub does not take what a recipe publishes."""
