# Every target works in a fresh clone: the environment is made when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test gate check fix clean arm64 interop

help:  ## list the targets
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,report,search,openvino,nncf,text-graph,dev]"
	@touch $@

demo: $(STAMP)  ## teach, distil, measure and report on the built-in data
	$(BIN)/edgekd run --out runs/demo

runs/demo/report/report.html: | $(STAMP)
	$(BIN)/edgekd run --out runs/demo

arm64: runs/demo/report/report.html  ## run the demo's bundles on the instructions of Raspberry Pis and of a PC without VNNI
	$(BIN)/edgekd verify runs/demo/bundles/*/* -t pi3 -t pi4 -t pi5 -t x86-avx2 --count 24 --out runs/demo/verify.json

INTEROP := .venv-interop
INTEROP_STAMP := $(INTEROP)/.installed

$(INTEROP_STAMP): tests/interop/requirements.txt
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
	@touch $@

interop: $(STAMP) $(INTEROP_STAMP)  ## open bundles with Optimum and transformers 4, in an environment of their own
	$(BIN)/python -m tests.interop.make build/interop runs/demo
	$(INTEROP)/bin/python tests/interop/check.py build/interop

test: $(STAMP)  ## run the whole test suite, ruff and mypy included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not timing"
	$(BIN)/python -m pytest -m timing

# The bundle is made anew, so that it is today's exporter that is judged.
gate: $(STAMP)  ## judge today's exporter by benchmarks/self_gate/gate.yaml, against the committed baseline
	rm -rf build/self-gate
	$(BIN)/edgekd export benchmarks/self_gate/model --target cpu --to onnx-fused --name self-gate --out build/self-gate
	$(BIN)/edgekd gate --config benchmarks/self_gate/gate.yaml --out build/self-gate/gate.json --junit build/self-gate/junit.xml

check: $(STAMP)  ## format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: $(STAMP)  ## format and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
