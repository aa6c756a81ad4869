# Every target first builds .venv where it is missing or the requirements changed.
# PORT= chooses the port (default 8000), PYTHON= the interpreter that .venv is built with.

PYTHON ?= python3
PORT ?= 8000
export PORT

VENV = .venv/bin/python
MANAGE = $(VENV) manage.py
# What the checks that need settings and a database run with.
TEST_SETTINGS = DJANGO_SETTINGS_MODULE=tests.settings DEBUG=1 DATABASE_URL= QASIMA_POSTGRES_CLUSTER=test
# Minutes of their own; CI runs them as well.
SLOW = tests/payments tests/stripe_sandbox tests/browser/test_payment.py
# A production that exists nowhere, to see whether Django finds fault with it.
PRODUCTION_SETTINGS = DJANGO_SETTINGS_MODULE=config.settings DEBUG=0 DEMO=0 ALLOWED_HOSTS=sovereign.example \
	DATABASE_URL=postgresql://nobody@localhost/none SECRET_KEY=$$(head -c 48 /dev/urandom | base64 | tr -d '\n') \
	JWT_SECRET=$$(head -c 48 /dev/urandom | base64 | tr -d '\n')

.DEFAULT_GOAL = help
.PHONY: help demo test test-payments bench check format serve worker seed migrate token runtime dev

help:
	@echo "make demo      a whole Sovereign on this machine, with its own PostgreSQL, at http://127.0.0.1:$(PORT)/"
	@echo "make test      every check and every test but the slow ones"
	@echo "make test-payments   the slow ones: card payments through every failure of Stripe, and the sandbox"
	@echo "make bench     measures, as ratios; WHAT='redemption checkout' some of it, WHAT=growth or churn half an hour"
	@echo "make check     the checks alone; make format puts the files in order first"
	@echo "make token SUB=ada EMAIL=ada@example.org ROLE=customer    a bearer token for the demo"
	@echo "make serve, worker, migrate, seed    the production parts, configured by the environment"

demo: runtime
	@exec $(VENV) -m config.devtools.demo

serve: runtime
	@exec $(VENV) -m gunicorn --config python:config.gunicorn

worker: runtime
	@exec $(MANAGE) procrastinate worker

seed: runtime
	@$(MANAGE) seed_catalog

migrate: runtime
	@$(MANAGE) migrate

token: runtime
	@$(VENV) -m config.devtools.demo token

format: dev
	@$(VENV) -m ruff format --quiet .
	@$(VENV) -m ruff check --quiet --fix .

check: dev
	@$(VENV) -m ruff format --check --quiet .
	@$(VENV) -m ruff check --quiet .
	@$(VENV) -m mypy .
	@$(VENV) -c 'import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())'
	@find billing config orders promos templates -path '*templates/*.html' -exec .venv/bin/djade --check --target-version 5.2 {} +
	@$(PRODUCTION_SETTINGS) $(MANAGE) check --deploy --fail-level WARNING
	@$(TEST_SETTINGS) $(MANAGE) makemigrations --check --dry-run
	@$(TEST_SETTINGS) $(MANAGE) lintmigrations --settings tests.lint_settings --include-apps billing promos orders --quiet ok ignore
	@$(VENV) .ci/audit

test: check
	@.ci/install-chromium
	@$(VENV) -m pytest -n 2 --cov --cov-report=term $(SLOW:%=--ignore=%)

# The matrix of every failure of Stripe at every step, and kill -9 at each: minutes of their own. CI runs them too.
test-payments: dev
	@.ci/install-chromium
	@$(VENV) -m pytest -n 2 $(SLOW)

# Ratios to floors and peers of the same run; the figures also as JSON in build/bench.
bench: dev
	@$(VENV) -m tests.bench $(WHAT)

runtime dev:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -I config/bootstrap.py $@
