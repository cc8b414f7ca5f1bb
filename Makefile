# `make serve` and `make test` set up all they need; the rest is for those who change the code.
.PHONY: help serve test unit faults lint format pins docs tour bench bench-quick bench-large clean

# Races, and others that take their time and cover nothing that the rest does not: without what counts the lines. Those
# that take longest come first, so that no process is left with one of them in the end.
UNCOUNTED := $(patsubst %,tests/integration/test_%.py,never_stale guards differential store_races adopting_interrupted serve migrating pgbouncer \
	slow_callers forks races own_store query_plans limits lost_connections weak_hashes pinned_install adopting_columns \
	adopting_tables cli_hostile raw_http sessions_over_http durable_settings gevent from_the_tutorial javascript_clients \
	rows_of_others schemas time_zones never_stale_elsewhere backing_up installed readme turns \
	browser_apps forward_browser)
# How long answers take is measured where nothing else runs.
ALONE := tests/integration/test_timing.py

help:
	@echo "make serve       run the server on 127.0.0.1:8000, accounts in ./menshen-data"
	@echo "make test        all tests, with the coverage they must reach"
	@echo "make unit        the unit tests alone"
	@echo "make faults      kill, starve and cut off the servers for as long as the plan has it; an hour"
	@echo "make lint        ruff, mypy --strict, the import rules"
	@echo "make format      let ruff put the code in form"
	@echo "make bench       all figures, as ratios, beside other systems: docs/performance.md; half an hour"
	@echo "make bench-quick the main ones, in three minutes"
	@echo "make bench-large what tables with millions of rows cost; an hour"
	@echo "make pins        renew requirements/*.txt after a change in pyproject.toml"
	@echo "make tour        write the answers of the HTTP API down anew, after a change that is meant to change them"
	@echo "make docs        write docs/settings.md anew"

serve: .venv/serve
	@exec .venv/bin/menshen serve

test: .venv/dev .venv/examples
	@.venv/bin/python .ci/system-packages
	@rm -f .coverage .coverage.*
	@.ci/unit counted
	@# Most of the rest wait for a server half the time, so four run at a time.
	.ci/quickly .venv/bin/coverage run -m pytest -n 4 --dist loadfile --ignore=tests/unit $(foreach file,$(UNCOUNTED) $(ALONE),--ignore=$(file))
	.ci/quickly .venv/bin/pytest -n 4 --dist loadscope --no-loadscope-reorder $(UNCOUNTED)
	.venv/bin/pytest $(ALONE)
	.venv/bin/python -m tests.faults
	@.venv/bin/coverage combine -q
	@.venv/bin/coverage report --include='domain/*' --fail-under=100
	@.venv/bin/coverage report --fail-under=95

unit: .venv/dev
	@.ci/unit

faults: .venv/dev
	@.venv/bin/python .ci/system-packages
	.venv/bin/python -m tests.faults --long

lint: .venv/dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	@rm -rf build .venv/wheel
	@.venv/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation --target .venv/wheel .
	MYPYPATH=.venv/wheel .venv/bin/mypy tests benchmarks
	@rm -rf build
	.venv/bin/lint-imports

format: .venv/dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

# Everything but what fills tables with millions of rows: that is bench-large.
bench: .venv/dev .venv/examples
	@command -v wrk >/dev/null || .ci/apt-install wrk
	@for each in guard peers frameworks kicks active_users steady login flood start_and_memory; do \
		echo "== $$each"; .venv/bin/python benchmarks/$$each.py || echo "$$each has failed" >&2; done
	.venv/bin/python benchmarks/report.py

bench-quick: .venv/dev
	@command -v wrk >/dev/null || .ci/apt-install wrk
	.venv/bin/python benchmarks/guard.py --quick
	.venv/bin/python benchmarks/kicks.py --quick

bench-large: .venv/dev
	.venv/bin/python benchmarks/admission.py
	.venv/bin/python benchmarks/growth.py
	.venv/bin/python benchmarks/adoption.py

tour: .venv/dev
	@.venv/bin/python -m tests.unit.tour

docs: .venv/dev
	.venv/bin/menshen settings --markdown > docs/settings.md

pins: .venv/dev
	.ci/pins

clean:
	rm -rf .venv .venv-peers .bench build *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# The environment for running, and what developing needs on top of it.
.venv/serve: requirements/runtime.txt pyproject.toml .ci/venv
	@.ci/venv requirements/runtime.txt
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml .ci/venv
	@.ci/venv requirements/dev.txt
	@touch $@ .venv/serve

# What the examples in docs/ are run with; the wheel of menshen is the tests' business.
.venv/examples: requirements/examples.txt .venv/dev
	@rm -rf $@
	@.venv/bin/python -m venv $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
