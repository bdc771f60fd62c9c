#!/usr/bin/env bash
# What the tests of all families need, in an environment on top of another one: scripts/install_families.sh DIR PYTHON
#
# PYTHON is the interpreter of an environment that has selfjudge with its extras `local` and `dev`; DIR/bin/python finds all that it
# has. On top come torchvision, which most processors need, and num2words, which SmolVLM's needs. They stay out of the other
# environment: with torchvision, transformers resizes the images of every model by it, and texts change a little.
set -euo pipefail

dir=${1:?usage: install_families.sh DIR PYTHON}
python=${2:?usage: install_families.sh DIR PYTHON}

"$python" -m venv "$dir"
base=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
packages=$("$dir/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
echo "import site; site.addsitedir('$base')" >"$packages/selfjudge_base.pth"

# torchvision 0.28 goes with torch 2.13
"$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps torchvision==0.28.0 num2words==0.5.14 docopt==0.6.2
if "$dir/bin/python" -c 'import sys, torch; sys.exit(torch.version.cuda is not None)'; then
  "$dir/bin/python" "$(dirname "$0")/cpu_torchvision.py"
fi
"$dir/bin/python" -c 'import torchvision, num2words, selfjudge'
