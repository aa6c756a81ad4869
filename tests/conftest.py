"""Fixtures of every test: a database for each test process, and no prices cached from earlier tests."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware

from billing.use_cases.identity.remember_language import forget_languages
from promos.use_cases.attempts.record_attempt import forget_allowance
from promos.use_cases.code_guessing import forget_blocked
from tests.database import changed_tables, cloned_database, restore_pristine
from tests.factories import forget_prices

# Hypothesis lets an example fail that takes longer than 200 ms. A busy machine is no finding.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

_database = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Clone this process's database from the migrated template, and drop it when all tests are done."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    rebuild = bool(request.config.getoption("create_db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: restore_pristine())
        with django_db_blocker.unblock():
            database = cloned_database(worker, rebuild=rebuild)
            request.config.stash[_database] = database.__enter__()
        try:
            yield
        finally:
            with django_db_blocker.unblock():
                database.__exit__(None, None, None)


@pytest.fixture(scope="session", autouse=True)
def static_files_found_once() -> Iterator[None]:
    """Look for the static files once in this process; a middleware of each test's client would look again."""
    find: Any = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def add_found(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_found)
        yield


@pytest.fixture(autouse=True)
def forget_earlier_tests() -> None:
    """Empty what a process remembers: an earlier test's prices, callers past a limit or refused, and languages."""
    forget_prices()
    forget_blocked()
    forget_allowance()
    forget_languages()


@pytest.fixture(scope="module")
def committing_processes(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Remove what other processes committed to the database, at the end of a module whose tests start them."""
    yield
    with django_db_blocker.unblock():
        restore_pristine()


@pytest.fixture(scope="module", autouse=True)
def restored_database(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Fail the last test of a module that leaves rows to the next one, as a server in another process can."""
    yield
    if _database in request.config.stash:
        with django_db_blocker.unblock():
            assert changed_tables() == []


@pytest.fixture
def private_endpoints(settings: Any) -> None:
    """Subscribers' endpoints on this machine are allowed."""
    settings.WEBHOOK_PRIVATE_NETWORKS = (ip_network("127.0.0.0/8"),)
