# Every target first installs the packages that it needs into .venv, unless they are installed.
# PORT= chooses the port (default 8000), PYTHON= the Python that builds .venv.

PYTHON ?= python3
PORT ?= 8000
export PORT

VENV = .venv/bin/python
MANAGE = $(VENV) manage.py
# The production commands need the embedded PostgreSQL's packages only where no other database is named.
PACKAGES = $(if $(DATABASE_URL)$(DATABASE_URL_FILE),runtime,demo-packages)
# The environment of the checks that need settings and a database.
TEST_SETTINGS = DJANGO_SETTINGS_MODULE=tests.settings DEBUG=1 DATABASE_URL= QASIMA_POSTGRES_CLUSTER=test
# These tests take minutes, so make test leaves them out; CI runs them too.
PAYMENTS = tests/payments tests/stripe_sandbox tests/browser/test_payment.py tests/browser/test_shop_payment.py
JOURNEYS = tests/journeys $(PAGES) tests/contract/test_generated_requests.py
PAGES = $(addprefix tests/browser/test_, shop.py shop_weight.py arabic.py issuing.py console.py redeem.py printed_card.py subscription.py every_page.py every_console_page.py) tests/config/test_console_crawl.py
RACES = tests/concurrency tests/faults tests/properties
OPERATIONS = tests/operations tests/growth tests/orders/test_upgrade.py tests/orders/test_migrations.py
FAILOVER = tests/failover
SLOW = $(PAYMENTS) $(RACES) $(JOURNEYS) $(OPERATIONS) $(FAILOVER)
# The programs of a cluster, each with its Debian package.
CLUSTER = /usr/bin/patroni:patroni etcd:etcd-server /usr/sbin/haproxy:haproxy /usr/sbin/pgbouncer:pgbouncer \
	pg_createcluster:postgresql faketime:faketime
PATRONI = $(VENV) -m pip install --quiet --no-deps --upgrade --target .data/patroni -r deploy/failover/requirements.txt
# A complete production environment of invented values, for Django's check --deploy.
PRODUCTION_SETTINGS = DJANGO_SETTINGS_MODULE=config.settings DEBUG=0 DEMO=0 ALLOWED_HOSTS=sovereign.example \
	DATABASE_URL=postgresql://nobody@localhost/none SECRET_KEY=$$(head -c 48 /dev/urandom | base64 | tr -d '\n') \
	JWT_SECRET=$$(head -c 48 /dev/urandom | base64 | tr -d '\n')

.DEFAULT_GOAL = help
.PHONY: help demo test test-payments test-races test-journeys test-operations restore-drill failover failover-short soak sbom sovereign bench check format serve worker seed migrate token runtime demo-packages dev

help:
	@echo "make demo      a whole Sovereign on this machine, with its own PostgreSQL, at http://127.0.0.1:$(PORT)/"
	@echo "make test      every check, and every test except the slow ones"
	@echo "make test-payments   the slow tests: card payments through every failure of Stripe, and the sandbox"
	@echo "make test-races      more slow tests: requests that race each other, failures at every statement, and random games"
	@echo "make test-journeys   more slow tests: whole journeys and attacks of clients, and generated requests of every role"
	@echo "make test-operations   more slow tests: what operators run, and query plans in a long history"
	@echo "make restore-drill     backs a server up, destroys it, restores it to a moment, and verifies the ledger"
	@echo "make failover  three PostgreSQL nodes under Patroni, whose primary fails in several ways while customers check out"
	@echo "make failover-short    only the kill of the primary, in two or three minutes"
	@echo "make soak      an hour of all features at half of the capacity, with a fault every minute; MINUTES= chooses another time"
	@echo "make sbom      what the image contains, as CycloneDX, and the licence of each package"
	@echo "make bench     the measurements; WHAT='redemption checkout' chooses some, WHAT=growth or churn takes half an hour"
	@echo "make check     the checks without the tests; make format formats the files"
	@echo "make token SUB=ada EMAIL=ada@example.org ROLE=customer    a bearer token for the demo"
	@echo "make sovereign NAME=… DOMAIN=… IMAGE=…@sha256:…   the Kubernetes directory of a new Sovereign"
	@echo "make serve, worker, migrate, seed    the production commands, configured by the environment"

demo: demo-packages
	@exec $(VENV) -m config.devtools.demo

serve: $(PACKAGES)
	@exec $(VENV) -m gunicorn --config python:config.gunicorn

worker: $(PACKAGES)
	@exec $(MANAGE) procrastinate worker

seed: $(PACKAGES)
	@$(MANAGE) seed_catalog

migrate: $(PACKAGES)
	@$(MANAGE) migrate

token: demo-packages
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
	@.ci/install-debian-packages
	@$(VENV) -m pytest -n 2 --cov --cov-report=term $(SLOW:%=--ignore=%)

# Every failure of Stripe at every step of a payment, and kill -9 at each step.
test-payments: dev
	@.ci/install-debian-packages
	@$(VENV) -m pytest -n 2 $(PAYMENTS)

# Real threads that race for the last slot or the same order, a failure at every statement of a checkout, killed
# processes, and hypothesis against a plain model.
test-races: dev
	@$(VENV) -m pytest -n 2 $(RACES)

# The requests of the existing front ends, in their order; attacks; every operation with generated input; pages in a
# browser; and every page of the console as every role.
test-journeys: dev
	@.ci/install-debian-packages
	@$(VENV) -m pytest -n 2 $(JOURNEYS)

# The tools and files of operators, with the programs that read them; migrations and upgrades; and query plans in a
# long history.
test-operations: dev
	@.ci/install-debian-packages promtool:prometheus
	@$(VENV) -m pytest -n 2 $(OPERATIONS)

# A server is backed up, works on, loses its disk, and is restored to a moment.
restore-drill: dev
	@$(VENV) -m pytest tests/operations/test_restore_drill.py

# Three nodes of PostgreSQL; the primary is killed, frozen, cut off, has no connection and no disk left, and its clock jumps.
failover: dev
	@.ci/install-debian-packages $(CLUSTER)
	@$(PATRONI)
	@$(VENV) -m pytest -s $(FAILOVER)

# The kill of the primary alone, which CI runs.
failover-short: dev
	@.ci/install-debian-packages $(CLUSTER)
	@$(PATRONI)
	@$(VENV) -m pytest -s $(FAILOVER) -k killed

soak: dev
	@.ci/install-debian-packages $(CLUSTER)
	@$(PATRONI)
	@$(VENV) -m tests.failover.soak $(MINUTES)

# Writes deploy/kubernetes/clusters/NAME, the directory of a new Sovereign. It needs no packages.
sovereign:
	@$(PYTHON) deploy/kubernetes/make_sovereign.py 'NAME=$(NAME)' 'DOMAIN=$(DOMAIN)' 'CURRENCY=$(or $(CURRENCY),OMR)' 'IMAGE=$(IMAGE)'

sbom: dev
	@$(VENV) deploy/image/make_sbom.py

# Prints each figure as a ratio to a comparison of the same run, and writes all of them to build/bench as JSON.
bench: dev
	@$(VENV) -m tests.bench $(WHAT)

# The target demo runs the demo, so the set of that name is installed by demo-packages.
runtime demo-packages dev:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -I config/bootstrap.py $(@:-packages=)
