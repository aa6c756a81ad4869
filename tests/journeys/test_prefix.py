"""The journeys under another API root, in a process whose gateway strips the prefix."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from tests.contract.api_process import api_process
from tests.journeys.front_end import in_another_process
from tests.journeys.people import Deployment
from tests.journeys.test_admin import (
    test_a_voucher_is_switched_off_and_on_by_sending_its_row_back,
    test_revenue_counts_what_customers_pay_a_month,
    test_sign_in_with_password_and_second_factor,
    test_tenants_are_listed_searched_and_changed,
    test_the_catalog_is_edited,
)
from tests.journeys.test_console import (
    ada,
    bakery,
    test_an_app_is_installed_and_removed,
    test_an_invited_person_accepts_by_signing_in,
    test_an_organization_is_renamed,
    test_every_call_of_the_dashboard_is_answered,
    test_signing_out_everywhere_ends_every_front_end,
)
from tests.journeys.test_order_by_credit import test_a_visitor_becomes_a_customer_with_a_live_organization

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = [
    "ada",
    "bakery",
    "test_a_visitor_becomes_a_customer_with_a_live_organization",
    "test_a_voucher_is_switched_off_and_on_by_sending_its_row_back",
    "test_an_app_is_installed_and_removed",
    "test_an_invited_person_accepts_by_signing_in",
    "test_an_organization_is_renamed",
    "test_every_call_of_the_dashboard_is_answered",
    "test_revenue_counts_what_customers_pay_a_month",
    "test_sign_in_with_password_and_second_factor",
    "test_signing_out_everywhere_ends_every_front_end",
    "test_tenants_are_listed_searched_and_changed",
    "test_the_catalog_is_edited",
]


@pytest.fixture(scope="module")
def elsewhere(django_db_setup: None) -> Iterator[Deployment]:
    """The service in another process, whose gateway strips the prefix. The worker of this process sends its mails."""
    environment = {"SECRET_KEY": settings.SECRET_KEY, "EMAIL_URL": "smtp://127.0.0.1:9"}
    with api_process(API_PREFIX="", **environment) as process:
        yield Deployment(
            connect=lambda: in_another_process(process),
            root="/",
            hash_password=lambda password: PBKDF2PasswordHasher().encode(password, "salt", 1_000),
        )


@pytest.fixture
def deployment(elsewhere: Deployment, transactional_db: None) -> Deployment:
    return elsewhere
