"""Cancelling and resuming a subscription that Stripe charges: a job tells Stripe, whatever happens in between."""

from collections.abc import Callable
from functools import partial

import pytest
from django.utils import timezone

from billing.models import Organization, Subscription
from orders.stripe import gateway
from orders.stripe import subscriptions as stripe_subscriptions
from orders.tasks import renew_due_subscriptions
from orders.use_cases.subscriptions.cancel_subscription import (
    CancelAt,
    cancel_subscription,
    find_unsent_cancellations,
    resume_subscription,
    send_cancellation,
)
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome, renew_subscription
from tests.concurrency.threads import race
from tests.factories import acting, give_credit
from tests.orders.subscriptions.run_renewals import worker_actor
from tests.payments.buyer import Buyer, buy
from tests.payments.consistency_at_rest import assert_books_agree
from tests.payments.renewals.subscribed_tenant import PRICE_MINOR, subscribe_tenant, tenant_with_open_session
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def buyer(stripe: Stripe) -> Buyer:
    made, _ = buy(stripe)
    return made


def cancel(buyer: Buyer, at: CancelAt = CancelAt.PERIOD_END) -> Subscription:
    return cancel_subscription(organization_id=buyer.organization.id, at=at, by=acting(buyer.customer))


def resume(buyer: Buyer) -> Subscription:
    return resume_subscription(organization_id=buyer.organization.id, by=acting(buyer.customer))


def ends_at_stripe(stripe: Stripe) -> bool:
    [subscription] = stripe.subscriptions()
    return bool(subscription["cancel_at_period_end"])


def state() -> tuple[str, str]:
    return Subscription.objects.get().status, Organization.objects.get().status


def test_stripe_ends_it_with_the_period_and_charges_no_more(buyer: Buyer, stripe: Stripe) -> None:
    cancel(buyer)
    assert Subscription.objects.get().cancel_to_send
    run_until_idle(stripe)
    assert (ends_at_stripe(stripe), Subscription.objects.get().cancel_to_send) == (True, False)
    assert state() == ("active", "active")
    stripe.do("clock", everything=True, months=2)
    run_until_idle(stripe)
    assert state() == ("canceled", "suspended")
    assert len(stripe.charges()) == 1
    assert_books_agree(stripe)


def test_resumed_it_is_charged_again(buyer: Buyer, stripe: Stripe) -> None:
    cancel(buyer)
    run_until_idle(stripe)
    resume(buyer)
    run_until_idle(stripe)
    assert not ends_at_stripe(stripe)
    stripe.do("clock", everything=True, months=1)
    run_until_idle(stripe)
    assert (state(), len(stripe.charges())) == (("active", "active"), 2)
    assert_books_agree(stripe)


def test_cancelled_now_it_ends_at_stripe_too(buyer: Buyer, stripe: Stripe) -> None:
    cancel(buyer, CancelAt.NOW)
    assert state() == ("canceled", "suspended")
    run_until_idle(stripe)
    assert [each["status"] for each in stripe.subscriptions()] == ["canceled"]
    assert_books_agree(stripe)


def test_a_lost_answer_and_a_lost_job_are_made_up_for(
    buyer: Buyer, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = cancel(buyer)
    give = stripe_subscriptions.set_cancel_at_period_end

    def give_and_lose(stripe_id: str, *, ends: bool) -> None:
        give(stripe_id, ends=ends)
        raise gateway.Unanswered("lost")

    with monkeypatch.context() as during:
        during.setattr(stripe_subscriptions, "set_cancel_at_period_end", give_and_lose)
        with pytest.raises(gateway.Unanswered):
            send_cancellation(subscription_id=subscription.id)
    assert find_unsent_cancellations() == [subscription.id]
    renew_due_subscriptions(0)
    run_until_idle(stripe)
    assert (ends_at_stripe(stripe), find_unsent_cancellations()) == (True, [])


def test_a_decision_during_the_call_is_sent_as_well(
    buyer: Buyer, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = cancel(buyer)
    give = stripe_subscriptions.set_cancel_at_period_end

    def give_while_resuming(stripe_id: str, *, ends: bool) -> None:
        give(stripe_id, ends=ends)
        if ends:
            resume(buyer)

    monkeypatch.setattr(stripe_subscriptions, "set_cancel_at_period_end", give_while_resuming)
    send_cancellation(subscription_id=subscription.id)
    assert Subscription.objects.get().cancel_to_send
    run_until_idle(stripe)
    assert (ends_at_stripe(stripe), Subscription.objects.get().cancel_at_period_end) == (False, False)


def test_a_cancellation_in_stripes_portal_is_followed(buyer: Buyer, stripe: Stripe) -> None:
    stripe_subscriptions.set_cancel_at_period_end(Subscription.objects.get().stripe_subscription_id, ends=True)
    run_until_idle(stripe)
    assert Subscription.objects.get().cancel_at_period_end
    resume(buyer)
    run_until_idle(stripe)
    assert (ends_at_stripe(stripe), Subscription.objects.get().cancel_at_period_end) == (False, False)


def test_cancelling_many_times_at_once_ends_it_once(buyer: Buyer, stripe: Stripe) -> None:
    race([partial(cancel, buyer), partial(cancel, buyer, CancelAt.NOW)] * 4)
    assert state() == ("canceled", "suspended")
    run_until_idle(stripe)
    assert_books_agree(stripe)


def test_a_cancellation_and_a_renewal_at_once_agree(stripe: Stripe) -> None:
    tenant = subscribe_tenant(stripe, credit_minor=PRICE_MINOR)
    now, owner = timezone.now(), acting(tenant.organization.customer)
    renew = partial(renew_subscription, subscription_id=tenant.subscription_id, by=worker_actor(), now=now)
    end = partial(cancel_subscription, organization_id=tenant.organization.id, at=CancelAt.PERIOD_END, by=owner)
    calls: list[Callable[[], object]] = [renew, end, renew]
    race(calls)
    if tenant.status[0] == "active":
        # The month was renewed first, and the subscription ends with it.
        assert (tenant.subscription.cancel_at_period_end, tenant.credit) == (True, (0, 0))
    else:
        assert (tenant.status, tenant.credit) == (("canceled", "suspended"), (PRICE_MINOR, 0))
    tenant.run_until_idle()
    assert_books_agree(stripe)


@pytest.mark.parametrize("at", CancelAt)
def test_the_open_session_of_an_unpaid_month_is_closed(stripe: Stripe, at: CancelAt) -> None:
    tenant = tenant_with_open_session(stripe)
    give_credit(tenant.organization.customer, 1)
    cancel_subscription(organization_id=tenant.organization.id, at=at, by=acting(tenant.organization.customer))
    assert tenant.status == ("canceled", "suspended")
    assert tenant.renew() == [RenewalOutcome.NOT_DUE]
    assert [each["status"] for each in stripe.sessions()] == ["expired"]
    assert tenant.credit[1] == 0
    tenant.run_until_idle()
    assert_books_agree(stripe)
