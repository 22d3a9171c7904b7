# The two commands of the README, and what a maintainer needs. Nothing is installed outside .venv.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo test check zoo docs benchmark screenshots latency latency-tools fresh-report clean

# From nothing to the table: install, export SeaFormer-T in both formats, time it, report.
# Exit code 5 is a busy machine: its rows are marked as not valid, in the report too.
demo: $(VENV)/.export
	$(BIN)/seaformer export --variant t --format onnx,executorch
	$(BIN)/seaformer bench artifacts/seaformer_t.ade20k__512x512__fp32.onnx \
		artifacts/seaformer_t.ade20k__512x512__fp32.pte --threads 1 || [ $$? -eq 5 ]
	$(BIN)/seaformer report

# Format, lint, types, layers, tests; SLOW=1 runs the slow tests too, and lists the longest.
test: $(VENV)/.dev
	./check $(if $(SLOW),-m 'not zoo and not device' --durations=40)

check: test

# The index of the zoo, counted from the models themselves, and the tables made of it.
zoo: $(VENV)/.dev
	$(BIN)/python -m seaformer.models._zoo
	$(BIN)/python tools/docs.py

# The generated parts of README.md and docs/.
docs: $(VENV)/.dev
	$(BIN)/python tools/docs.py

benchmark: $(VENV)/.dev
	$(BIN)/python benchmarks/rewrites.py

# The pictures in results/screenshots: report.html, two terminals, README.md; chromium and its driver are Debian's packages.
screenshots: $(VENV)/.dev
	$(BIN)/python tools/screenshots.py

# What the change at hand does to latency, against BASE (main): the steps of CI, on this machine.
latency: latency-tools
	tools/latency.sh $(or $(BASE),main)

latency-tools: $(VENV)/.export

# A report from a small fresh run, checked.
fresh-report: $(VENV)/.export
	tools/fresh_report.sh

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.export: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[export]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev,all]'
	touch $@

clean:
	rm -rf $(VENV) artifacts build dist
