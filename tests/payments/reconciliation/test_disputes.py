"""Staff see a dispute, and that it is lost, also where Stripe's events about it never came."""

import pytest

from orders.models import Break, CardEntry
from orders.use_cases.reconciliation.close_break import close_break
from tests.factories import actor
from tests.payments.buyer import CHARGED_MINOR, buy, session_id_of
from tests.payments.reconciliation.reconciliation_checks import break_keys, open_break_keys, reconcile
from tests.payments.stripe_server import Stripe
from tests.payments.webhook_delivery import newest_event, post_event
from tests.payments.worker import run_waiting_jobs
from tests.snapshot import only_changes

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dispute_whose_event_was_lost_opens_a_break_once_and_again_when_it_is_lost(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    dispute = stripe.do(f"payments/{session_id_of(order_id)}/dispute")
    expected = (Break.Kind.DISPUTE.value, dispute["id"], order_id)
    with only_changes("orders_break", "orders_cardentry"):
        assert break_keys(reconcile().findings) == [expected]
    assert break_keys(reconcile().findings) == []
    close_break(break_id=Break.objects.get().pk, by=actor(), why="answered at Stripe")
    assert break_keys(reconcile().findings) == []

    stripe.do(f"disputes/{dispute['id']}/close", status="lost")
    assert break_keys(reconcile().findings) == [expected]
    assert break_keys(reconcile().findings) == []
    assert open_break_keys() == [expected]
    assert list(CardEntry.objects.filter(kind="owed").values_list("amount_minor")) == [(CHARGED_MINOR,)]
    assert Break.objects.get(closed_at=None).details["status"] == "lost"


def test_a_dispute_that_came_before_its_payment_was_linked_gets_its_order(stripe: Stripe) -> None:
    _, order_id = buy(stripe)
    dispute = stripe.do(f"payments/{session_id_of(order_id)}/dispute")
    post_event(newest_event(stripe, "charge.dispute.created"))
    run_waiting_jobs()
    Break.objects.update(order_id=None)
    assert break_keys(reconcile().findings) == [(Break.Kind.DISPUTE.value, dispute["id"], order_id)]
    assert open_break_keys() == [(Break.Kind.DISPUTE.value, dispute["id"], order_id)]
