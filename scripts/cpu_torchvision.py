"""Lets torchvision load beside a CPU build of torch: run this with the interpreter of an environment that has both.

The registry's torchvision is a build for CUDA. Without CUDA it only registers shapes for two operators that it does not have; so
a module of the environment declares them, just before torchvision is imported.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

MODULE = '''"""Declares two operators just before torchvision is imported, which then can be, beside a CPU build of torch."""

import importlib.abc
import sys

OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
KEPT = []


class Finder(importlib.abc.MetaPathFinder):
    """Finds nothing, but is asked first, once."""

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            from torch.library import Library

            KEPT.append(Library("torchvision", "FRAGMENT"))  # what it declares goes with it
            for operator in OPERATORS:
                KEPT[0].define(operator)


sys.meta_path.insert(0, Finder())
'''

if __name__ == "__main__":
    packages = Path(sysconfig.get_paths()["purelib"])
    (packages / "selfjudge_torchvision.py").write_text(MODULE)
    (packages / "selfjudge_torchvision.pth").write_text("import selfjudge_torchvision\n")
