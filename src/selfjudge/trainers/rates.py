"""Learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..recipe.training import Training


def factor(recipe: Training, steps: int) -> Callable[[int], float]:
    """The factor of the learning rate for each of `steps` steps, counted from 0."""
    warm = recipe.warmup * steps
    an_epoch = max(1, math.ceil(steps / recipe.epochs))

    def fall(step: int) -> float:
        if recipe.schedule == "epochs":
            return recipe.epoch_decay ** (step // an_epoch)
        done = min(1.0, max(0.0, step - warm) / max(1.0, steps - warm))
        return 1 - done if recipe.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))

    return lambda step: min(1.0, (step + 1) / (warm + 1)) * fall(step)
