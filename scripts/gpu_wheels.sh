#!/usr/bin/env bash
# The packages that a bare CUDA machine lacks for scripts/gpu_check.py, as wheels: scripts/gpu_wheels.sh DIR [PART]
#
# For Python 3.12 on Linux x86_64 with torch, transformers, accelerate and peft installed, and no network. PART 1 has all but pyarrow (38 MiB),
# PART 2 has pyarrow (53 MiB); without it both are collected. There, from the root of the repository:
#
#   python -m pip install --no-index --no-deps DIR/*.whl && python scripts/gpu_check.py --out gpu.json
set -euo pipefail

dir=${1:?usage: gpu_wheels.sh DIR [1|2]}
part=${2:-all}
mkdir -p "$dir"

small=(trl datasets dill multiprocess xxhash pydantic pydantic_core annotated-types typing-inspection babel num2words docopt regex
  snowballstemmer typer rich markdown-it-py mdurl pygments shellingham click jinja2 imagehash pywavelets pillow pyyaml typing_extensions
  pandas)
large=(pyarrow)

case $part in
  1) wanted=("${small[@]}") ;;
  2) wanted=("${large[@]}") ;;
  *) wanted=("${small[@]}" "${large[@]}") ;;
esac

for package in "${wanted[@]}"; do
  pin=$(grep -i "^${package//_/[-_]}==" constraints.txt || echo "$package")
  "${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
    --platform manylinux2014_x86_64 --platform any --dest "$dir" "$pin" ||
    "${PYTHON:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$dir" "$pin" # docopt has no wheel
done
du -sh "$dir"
