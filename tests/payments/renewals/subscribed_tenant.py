"""Subscribe a tenant whose months credit pays, and advance the clock of the service and of Stripe together."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from dateutil.relativedelta import relativedelta
from django.utils import timezone

from billing.models import Account, Organization, Subscription
from orders.models import Order, Payment
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import PlacedOrder, place_order
from orders.use_cases.payments.open_payment import LEASE
from orders.use_cases.payments.sweep_payments import JOB_GRACE
from orders.use_cases.subscriptions.renew_subscription import RenewalOutcome, renew_subscription
from tests.factories import OrganizationFactory, PlanFactory, acting, give_credit
from tests.orders.subscriptions.run_renewals import worker_actor
from tests.payments.stripe_server import Stripe
from tests.payments.worker import run_until_idle, run_waiting_jobs

PRICE_MINOR = 9_000
CREDIT_MINOR = 2_345
# Credit is rounded down, so that the amount left for the card ends in 0.
APPLIED_MINOR = 2_340
CHARGED_MINOR = PRICE_MINOR - APPLIED_MINOR
LEFT_MINOR = CREDIT_MINOR - APPLIED_MINOR
MISSING_MINOR = PRICE_MINOR - CREDIT_MINOR
GRACE_PERIOD = timedelta(days=7)


@dataclass(slots=True, kw_only=True)
class Tenant:
    """An organization whose subscription credit pays; `ahead` is how far its clock is ahead of real time."""

    stripe: Stripe
    organization: Organization
    subscription_id: UUID
    ahead: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return timezone.now() + self.ahead

    @property
    def subscription(self) -> Subscription:
        return Subscription.objects.get(id=self.subscription_id)

    @property
    def credit(self) -> tuple[int, int]:
        """The balance, and the held part of it."""
        account = Account.objects.get(customer_id=self.organization.customer_id)
        return account.balance_minor, account.held_minor

    @property
    def status(self) -> tuple[str, str]:
        """The status of the subscription and of the organization."""
        self.organization.refresh_from_db()
        return self.subscription.status, self.organization.status

    @property
    def open_session(self) -> str:
        """The id of the one session that can be paid."""
        open_now = Payment.objects.get(status=Payment.Status.OPEN, order__organization=self.organization)
        return str(open_now.session_id)

    def advance_clock(self, by: timedelta) -> None:
        """Advance the clock of the service and of Stripe."""
        self.stripe.do("clock", seconds=int(by.total_seconds()), everything=True)
        self.ahead += by

    def renew(self) -> list[RenewalOutcome]:
        """Run the renewal job now."""
        return renew_subscription(subscription_id=self.subscription.id, by=worker_actor(), now=self.now)

    def run_until_idle(self) -> None:
        """Switch every fault off, let every lease run out, and run the service until it is idle."""
        self.stripe.heal()
        patience = max(LEASE, JOB_GRACE) + timedelta(seconds=1)
        run_until_idle(self.stripe, now=self.now + patience)

    def buy(self, *, price_minor: int) -> PlacedOrder:
        """Check out another plan, as the customer."""
        plan = PlanFactory.create(price_minor=price_minor)
        request = CheckoutRequest(tenant_id=self.organization.id, plan=plan.slug)
        return place_order(request=request, by=acting(self.organization.customer), now=self.now)


def subscribe_tenant(stripe: Stripe, *, months: int = 1, credit_minor: int = CREDIT_MINOR) -> Tenant:
    """Make a tenant for whom this many months are due, with this much credit for them."""
    organization = OrganizationFactory.create()
    give_credit(organization.customer, PRICE_MINOR)
    plan = PlanFactory.create(price_minor=PRICE_MINOR)
    started_at = timezone.now() - relativedelta(months=months) - timedelta(minutes=1)
    request = CheckoutRequest(tenant_id=organization.id, plan=plan.slug)
    placed = place_order(request=request, by=acting(organization.customer), now=started_at)
    run_waiting_jobs()
    if credit_minor:
        give_credit(organization.customer, credit_minor)
    subscription = Subscription.objects.get(order_id=placed.order_id)
    return Tenant(stripe=stripe, organization=organization, subscription_id=subscription.id)


def tenant_with_open_session(stripe: Stripe) -> Tenant:
    """Make a tenant whose credit does not cover the month, so that Stripe has a session for the rest."""
    tenant = subscribe_tenant(stripe)
    assert tenant.renew() == [RenewalOutcome.PAST_DUE]
    assert tenant.open_session
    return tenant


def tenant_at_end_of_grace(stripe: Stripe) -> Tenant:
    """Make such a tenant whose days of grace are over while its session is still open."""
    tenant = tenant_with_open_session(stripe)
    tenant.advance_clock(GRACE_PERIOD - timedelta(hours=12))
    assert tenant.renew() == [RenewalOutcome.PAST_DUE]
    tenant.advance_clock(timedelta(hours=12))
    return tenant


def renewal_statuses() -> list[str]:
    """The statuses of all renewal orders, the oldest month first, then in order of their creation."""
    found = Order.objects.filter(kind=Order.Kind.RENEWAL).order_by("period_start", "created_at", "id")
    return list(found.values_list("status", flat=True))
