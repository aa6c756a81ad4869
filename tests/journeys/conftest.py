"""Fixtures: the starting catalog, and the people of the journeys, each with a front end."""

from typing import Any

import pytest
from django.core.management import call_command

from tests.journeys.front_end import FrontEnd
from tests.journeys.people import Deployment


@pytest.fixture
def deployment(transactional_db: None) -> Deployment:
    """The service of this process, with the settings of tests."""
    return Deployment()


@pytest.fixture
def catalog(transactional_db: None) -> None:
    """The catalog that `manage.py seed_catalog` writes."""
    call_command("seed_catalog", verbosity=0)


@pytest.fixture(autouse=True)
def steps_without_pause(settings: Any) -> None:
    settings.PLAYED_STEP_SECONDS = 0


@pytest.fixture
def visitor(catalog: None, deployment: Deployment) -> FrontEnd:
    """A visitor of the shop who is not signed in."""
    return deployment.front_end()


@pytest.fixture
def root(deployment: Deployment) -> FrontEnd:
    """A superadmin who has signed in with password and second factor."""
    return deployment.staff("superadmin")


@pytest.fixture
def noor(deployment: Deployment) -> FrontEnd:
    """A sovereign-admin, who issues vouchers."""
    return deployment.staff("sovereign-admin")
