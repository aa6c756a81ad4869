"""A guard: what a mail says that its reader can do, or that will happen, is done by a path that has a test."""

import re
from pathlib import Path

import pytest

from .product import PROJECT

RENEWALS = "tests/orders/subscriptions/test_renewals.py"
BY_CARD = "tests/orders/subscriptions/test_renewals_by_card.py"
# A part of each sentence, and the test of what it promises.
PROMISES = {
    "Look at it in the console": "tests/promos/alerts/test_raise_alerts.py::"
    "test_the_console_marks_open_alerts_and_closes_one_with_a_reason",
    "You will not be charged again": "tests/payments/renewals/test_cancellations.py::"
    "test_cancelled_now_it_ends_at_stripe_too",
    "You can order again at any time": f"{RENEWALS}::test_the_next_order_reactivates_a_suspended_organization",
    "and what expires soonest is used first": "tests/billing/test_lots.py",
    "To join, sign in": "tests/contract/test_members.py::"
    "test_an_address_of_two_customers_waits_for_the_one_who_signs_in",
    "nothing happens unless you sign in": "tests/contract/test_members.py::"
    "test_an_unknown_address_has_no_user_id_until_it_signs_in",
    "Please pay": f"{BY_CARD}::test_the_mail_has_the_link_until_the_month_is_paid",
    "a voucher: credit that covers the month pays for it at once": "tests/payments/renewals/"
    "test_months_paid_by_credit.py::test_the_reminder_promises_what_a_top_up_does",
    **dict.fromkeys(
        ["your credit will not cover", "will not cover all that renews until then"],
        "tests/orders/web/test_mail_choices.py::test_credit_that_will_not_cover_the_month_is_said",
    ),
    "Redeem a voucher before then, and nothing stops": f"{RENEWALS}::test_a_month_is_renewed_from_credit",
    "If the month stays unpaid, the subscription ends": f"{RENEWALS}::"
    "test_an_unpaid_subscription_ends_after_the_days_of_grace",
    "The credit that was held for it is available again": f"{BY_CARD}::"
    "test_a_payment_that_fails_after_days_is_announced_and_a_new_session_opens",
    "You will get another payment link": f"{BY_CARD}::"
    "test_a_payment_that_fails_after_days_is_announced_and_a_new_session_opens",
    "Approve or reject it in the console": "tests/billing/approvals/test_admin_proposals.py",
    "That can take some days": "tests/payments/settlement/test_bank_debits.py",
    "Your bank may take some days": "tests/payments/settlement/test_refunds_and_disputes.py",
    "Enter this code to sign in": "tests/contract/test_identity.py::"
    "test_a_code_by_mail_makes_an_unknown_address_a_customer",
    " and works once": "tests/contract/test_identity.py::test_a_code_works_once",
}
PROMISING = re.compile(
    r"\b(can|will|may|again|at once|once|first|please|redeem|enter|approve|to join|look at|if the month|unless)\b",
    re.IGNORECASE,
)
MAILS = sorted((PROJECT / "templates" / "mail").glob("*.txt"))


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_every_promise_of_a_mail_is_listed(path: Path) -> None:
    text = re.sub(r"{% (else|elif|endif).*?%}", " ", path.read_text())
    text = re.sub(r"{%.*?%}", "", re.sub(r"{{.*?}}", "x", text))
    sentences = [" ".join(each.split()) for each in re.split(r"\n|(?<=\.) ", text)]
    unlisted = [each for each in sentences if PROMISING.search(each) and not any(part in each for part in PROMISES)]
    assert unlisted == []


@pytest.mark.parametrize(("part", "test"), PROMISES.items(), ids=PROMISES)
def test_every_listed_promise_is_in_a_mail_and_has_its_test(part: str, test: str) -> None:
    assert any(part in " ".join(path.read_text().split()) for path in MAILS)
    file, _, name = test.partition("::")
    assert f"def {name or 'test_'}" in (PROJECT / file).read_text()
