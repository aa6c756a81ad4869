"""Renewals by card while Stripe refuses, fails, or loses its answer, or while the process dies."""

from datetime import timedelta
from unittest.mock import patch

import pytest

from billing.models import Customer
from orders.models import Payment
from orders.use_cases.payments.sweep_payments import sweep_payments
from orders.use_cases.subscriptions import renew_subscription as renewing
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome
from tests.factories import give_credit
from tests.orders.conftest import Buy
from tests.orders.subscriptions.run_renewals import (
    DUE,
    GRACE_END,
    START,
    balance_and_held,
    mails_after_receipt,
    renew,
    renewal_orders,
    settle_event_of_type,
)
from tests.orders.subscriptions.stripe_checkout_stub import BROKEN, REFUSED, StripeCheckoutStub
from tests.snapshot import nothing_changes

DAY = timedelta(days=1)


@pytest.mark.parametrize("fails", [REFUSED, BROKEN])
def test_a_session_that_stripe_did_not_open_is_retried_later(
    stripe: StripeCheckoutStub, ada: Customer, buy: Buy, fails: int
) -> None:
    give_credit(ada, 11_345)
    buy("m", now=START)
    stripe.failing_status = fails
    assert renew(DUE) == [RenewalOutcome.PAST_DUE]
    assert (balance_and_held(), [each.status for each in renewal_orders()], mails_after_receipt()) == (
        (2_345, 0),
        ["failed"],
        ["past_due"],
    )
    stripe.failing_status = 0
    with nothing_changes():
        assert renew(DUE + timedelta(minutes=30)) == [RenewalOutcome.WAITING]
    # The second try comes after the cleanup of the first one, and not before an hour has passed.
    sweep_payments(now=DUE)
    with nothing_changes():
        assert renew(DUE + timedelta(minutes=30)) == [RenewalOutcome.PAST_DUE]
    assert renew(DUE + timedelta(minutes=90)) == [RenewalOutcome.PAST_DUE]
    assert (balance_and_held(), len(stripe.open_sessions)) == ((2_345, 2_340), 1)


def test_a_session_whose_answer_was_lost_is_closed_before_the_subscription_ends(
    stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 9_000)
    buy("m", now=START)
    renew(DUE)
    renewal_orders()[0].payment.refresh_from_db()
    settle_event_of_type("checkout.session.expired", stripe.sessions["cs_1"] | {"status": "expired"})
    stripe.loses_answers = True
    renew(DUE + DAY)
    assert Payment.objects.filter(needs_stripe_cleanup=True).count() == 1
    assert renew(GRACE_END) == [RenewalOutcome.WAITING]
    stripe.loses_answers = False
    sweep_payments(now=GRACE_END)
    assert renew(GRACE_END) == [RenewalOutcome.CANCELED]


def test_the_sweeper_sends_the_mail_of_a_renewal_whose_process_died(
    stripe: StripeCheckoutStub, ada: Customer, buy: Buy
) -> None:
    give_credit(ada, 9_000)
    buy("m", now=START)
    with patch.object(renewing, "ask_processor", side_effect=SystemExit), pytest.raises(SystemExit):
        renew(DUE)
    assert mails_after_receipt() == []
    for _ in range(2):
        sweep_payments(now=DUE + timedelta(hours=1))
        assert ([each.status for each in renewal_orders()], mails_after_receipt()) == (["failed"], ["past_due"])
    stripe.failing_status = BROKEN
    assert renew(DUE + timedelta(hours=2)) == [RenewalOutcome.PAST_DUE]
    assert mails_after_receipt() == ["past_due"]
