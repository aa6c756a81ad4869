"""A guard: where requests share a statement, one request's refusal neither fails nor slows the others."""

import re

import pytest

from .product import PROJECT, product_files

SHARED = re.compile(r"(?<!class )(?<![\w.])(?:GroupCommit|SharedRead)\(")
ANY_READ = (
    "tests/billing/test_shared_read.py::test_a_read_that_the_database_refuses_raises_the_reason_and_fails_no_other"
)
# Each file that shares a statement, and the test with a request that cannot be served among others.
BATCHES = {
    "orders/use_cases/checkout/batched_checkout.py": "tests/concurrency/test_checkout_isolation.py::"
    "test_one_statement_places_all_the_others",
    "promos/use_cases/redeem_code.py": "tests/concurrency/test_batched_redemptions.py::"
    "test_a_second_redemption_a_newcomer_and_a_new_address_hold_up_no_other_request",
    "promos/use_cases/attempts/record_attempt.py": "tests/promos/attempts/test_record_attempt.py::"
    "test_any_text_can_be_recorded",
    # A preview counts a key that the request has just read, and keys are never deleted.
    "promos/use_cases/count_preview.py": "tests/promos/test_count_preview.py::"
    "test_previews_at_the_same_time_are_all_counted",
    # The database refuses no attempt, and two counts of one key never wait for each other.
    "billing/use_cases/count_attempt.py": "tests/concurrency/test_sign_in_race.py::"
    "test_attempts_at_the_same_moment_do_not_pass_a_limit_together",
    "promos/use_cases/find_code_together.py": "tests/promos/test_find_code_together.py::"
    "test_a_code_that_the_database_refuses_fails_no_other",
    "billing/queries.py": ANY_READ,
    "billing/database/shared_read.py": ANY_READ,
    "orders/api/catalog/lists.py": ANY_READ,
    "orders/use_cases/apps/list_app_jobs.py": ANY_READ,
    "orders/use_cases/organizations/list_organizations.py": ANY_READ,
    "orders/use_cases/provisioning/find_provision.py": ANY_READ,
}


def test_every_file_that_shares_a_statement_is_listed() -> None:
    files = product_files("*.py")
    assert {str(path.relative_to(PROJECT)) for path in files if SHARED.search(path.read_text())} == set(BATCHES)


@pytest.mark.parametrize("test", sorted(set(BATCHES.values())))
def test_every_listed_batch_has_its_test(test: str) -> None:
    file, name = test.split("::")
    assert f"def {name}(" in (PROJECT / file).read_text()
