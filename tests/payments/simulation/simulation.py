"""A simulated shop: a few customers with little credit, a few scarce codes, and the answers that customers got.

Each action runs in a separate process, with an interruption. A refusal is an outcome of an action, not an error.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from urllib.error import HTTPError
from uuid import UUID

from django.utils import timezone
from hypothesis import event
from procrastinate.contrib.django.models import ProcrastinateJob
from stripe import APIConnectionError

from billing.errors import DomainError
from billing.models import Account, Organization
from orders.errors import PaymentProcessorNotConfigured
from orders.models import Break, Order, Payment, StripeEvent
from orders.models.basket import CheckoutRequest
from orders.use_cases.checkout.place_order import PlacedOrder, place_order
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.models.redemption import LIVE_STATUSES
from tests.consistency import times_redeemed
from tests.database import restore_pristine
from tests.factories import (
    AddOnFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    give_credit,
)
from tests.payments.simulation.interruptions import NO_INTERRUPTION, PROCESS_DIES, InterruptibleProcess, Interruption
from tests.payments.stripe_server import Object, Stripe
from tests.payments.webhook_delivery import ENDPOINT_TYPES
from tests.payments.worker import run_job, runnable_jobs, sweep

PLANS = {"m": 9_000, "l": 16_000, "xl": 40_000}
ADDONS = {"backup": 3_000}
CREDITS = {"ada": 2_345, "bob": 0, "cleo": 31_007}
OWNERS = ("ada", "ada", "bob", "cleo")
# The credit of each code and its cap.
CODES = {"ONE": (10_000, 1), "TWO": (4_999, 2), "ALL": (20_000, 0)}
LONG_AGO = timedelta(days=70)
CONCURRENT_ACTIONS = ("sweep", "sweep later", "run jobs", "pay", "expire", "retry")

Choice = TypeVar("Choice")
Standing = tuple[int, int, int]


def pick(choices: Sequence[Choice], index: int) -> Choice:
    return choices[index % len(choices)]


@dataclass
class Simulation:
    # How often each outcome was reached, in all simulations of this process.
    reached: ClassVar[Counter[str]] = Counter()

    stripe: Stripe
    organizations: list[Organization] = field(default_factory=list)
    late_requests: list[Callable[[], Any]] = field(default_factory=list)
    requests: list[CheckoutRequest] = field(default_factory=list)
    answers: dict[tuple[str, str, str], UUID] = field(default_factory=dict)
    promised: dict[UUID, PlacedOrder] = field(default_factory=dict)
    # Sessions whose bank debit failed.
    bounced: set[str] = field(default_factory=set)

    sessions: list[Object] = field(default_factory=list)
    payable: list[Object] = field(default_factory=list)
    debits: list[Object] = field(default_factory=list)
    undelivered_events: list[Object] = field(default_factory=list)
    delivered: list[Object] = field(default_factory=list)
    jobs: list[ProcrastinateJob] = field(default_factory=list)
    due: list[UUID] = field(default_factory=list)
    completed: list[Order] = field(default_factory=list)

    def set_up(self) -> None:
        """Empty the database and Stripe, then make the catalog, the codes and the customers."""
        restore_pristine()
        self.stripe.heal()
        self.stripe.reset()
        for slug, price_minor in PLANS.items():
            PlanFactory.create(slug=slug, price_minor=price_minor)
        for slug, price_minor in ADDONS.items():
            AddOnFactory.create(slug=slug, price_minor=price_minor)
        for code, (credit_minor, cap) in CODES.items():
            PromoCodeFactory.create(code=code, credit_minor=credit_minor, max_redemptions=cap)
        customers = {name: CustomerFactory.create(user_id=name) for name in CREDITS}
        for name, credit_minor in CREDITS.items():
            if credit_minor:
                give_credit(customers[name], credit_minor)
        self.organizations = [OrganizationFactory.create(customer=customers[name]) for name in OWNERS]
        # Two months of this subscription are due; credit covers the first.
        self._subscribe_long_ago(self.organizations[-1])

    def _subscribe_long_ago(self, organization: Organization) -> None:
        request = CheckoutRequest(tenant_id=organization.id, plan="m", addons=("backup",))
        place_order(request=request, by=acting(organization.customer), now=timezone.now() - LONG_AGO)

    # --- Actions ------------------------------------------------------------------------------------------
    def act(self, name: str, action: Callable[[], Any], interruption: Interruption = NO_INTERRUPTION) -> Any:
        """Perform an action and return its result or its refusal, or None if its process died."""
        process = InterruptibleProcess(interruption, self.late_requests, self.act_concurrently)
        outcome = "done"
        try:
            result = process.run(action)
        except DomainError as refusal:
            result, outcome = refusal, type(refusal).__name__
        if process.interrupted_at:
            self.count(f"{interruption.kind} in {name}")
            if process.is_dead:
                outcome = PROCESS_DIES
        self.count(f"{name}: {outcome}")
        return result

    def count(self, what: str) -> None:
        self.reached[what] += 1
        event(what)

    def act_concurrently(self, name: str) -> None:
        """Perform another actor's action while a process is between two steps."""
        actions: dict[str, Callable[[], object]] = {
            "sweep": lambda: sweep(now=timezone.now()),
            "sweep later": sweep,
            "run jobs": lambda: [run_job(job) for job in runnable_jobs()],
            "pay": lambda: self._act_on_newest_session("pay"),
            "expire": lambda: self._act_on_newest_session("expire"),
            "retry": lambda: self.requests and self._place_order(self.requests[-1]),
        }
        self.act(f"concurrent {name}", actions[name])

    def _act_on_newest_session(self, action: str) -> None:
        self.refresh()
        if self.payable:
            self.stripe.do(f"sessions/{self.payable[-1]['id']}/{action}")

    # --- What can happen next -----------------------------------------------------------------------------
    def refresh(self) -> None:
        """Read everything that an action can continue with, oldest first."""
        self.sessions = self.stripe.all("checkout/sessions", **{"expand[]": "data.line_items"})
        self.payable = self._sessions("open")
        debits = self._sessions("complete", payment_status="unpaid")
        self.debits = [each for each in debits if each["id"] not in self.bounced]
        self.delivered = list(StripeEvent.objects.order_by("received_at", "id").values_list("payload", flat=True))
        known = {each["id"] for each in self.delivered}
        self.undelivered_events = [
            each for each in self.stripe.events() if each["id"] not in known and each["type"] in ENDPOINT_TYPES
        ]
        self.jobs = runnable_jobs()
        self.due = find_due_subscriptions()
        self.completed = list(Order.objects.filter(status=Order.Status.COMPLETED).order_by("created_at", "id"))

    def _sessions(self, status: str, **wanted: Any) -> list[Object]:
        return [each for each in self.sessions if {"status": status, **wanted}.items() <= each.items()]

    def run_job(self, job: ProcrastinateJob, interruption: Interruption) -> None:
        self.act(f"job {job.task_name}", lambda: run_job(job), interruption)

    # --- Checkouts, and what their answers promise --------------------------------------------------------
    def request(self, index: int, basket: tuple[str, tuple[str, ...]], code: str, key: str) -> CheckoutRequest:
        organization = pick(self.organizations, index)
        plan, addons = basket
        return CheckoutRequest(
            tenant_id=organization.id,
            plan=plan,
            addons=addons,
            promo_code=code,
            idempotency_key=f"key {len(self.requests)}" if key == "new" else key,
            fingerprint=f"{organization.id} {plan} {addons} {code}" if key else "",
        )

    def check_out(self, request: CheckoutRequest, interruption: Interruption) -> None:
        organization = self.owner_of(request)
        self.requests.append(request)
        before = self._read_standing(organization)
        had_open = Order.objects.filter(customer=organization.customer, status=Order.Status.PENDING).exists()
        answer = self.act("checkout", lambda: self._place_order(request), interruption)
        is_alone = interruption.kind not in CONCURRENT_ACTIONS
        if isinstance(answer, PlacedOrder):
            self._record_promise(request, answer, is_alone=is_alone)
        elif isinstance(answer, DomainError) and is_alone:
            assert not isinstance(answer, PaymentProcessorNotConfigured)
            if isinstance(answer, PromoExhausted):
                promo_code = PromoCode.objects.get(code=request.promo_code)
                taken = times_redeemed(promo_code)
                assert taken >= promo_code.max_redemptions, f"cap: exhausted at {taken} slots"
            if not had_open:
                after = self._read_standing(organization)
                assert after == before, f"all or nothing: refused with {answer.code}, and {before} became {after}"

    def owner_of(self, request: CheckoutRequest) -> Organization:
        return Organization.objects.select_related("customer").get(id=request.tenant_id)

    def _place_order(self, request: CheckoutRequest) -> PlacedOrder:
        return place_order(request=request, by=acting(self.owner_of(request).customer))

    def _read_standing(self, organization: Organization) -> Standing:
        """The customer's balance, held credit and number of live redemptions."""
        account = Account.objects.get(customer=organization.customer)
        live = Redemption.objects.filter(customer_id=account.pk, status__in=LIVE_STATUSES)
        return account.balance_minor, account.held_minor, live.count()

    def _record_promise(self, request: CheckoutRequest, placed: PlacedOrder, *, is_alone: bool) -> None:
        customer = self.owner_of(request).customer
        self.promised[placed.order_id] = placed
        self.count("promised by credit" if not placed.session_url else "promised a session")
        if request.idempotency_key:
            intent = (customer.user_id, request.idempotency_key, request.fingerprint)
            first = self.answers.setdefault(intent, placed.order_id)
            assert first == placed.order_id, f"once: {intent} has the orders {first} and {placed.order_id}"
        if is_alone and not placed.replayed:
            balance_minor = Account.objects.get(customer=customer).balance_minor
            assert placed.balance_minor == balance_minor, (
                f"ledger: the answer says {placed.balance_minor}, the balance is {balance_minor}"
            )

    def find_broken_promises(self) -> list[str]:
        """Return every broken answer: an order paid by credit that is not in effect, a voucher never granted."""
        orders = {order.id: order for order in Order.objects.filter(id__in=self.promised)}
        granted = set(
            Redemption.objects.filter(order_id__in=self.promised, status=Redemption.Status.CONFIRMED).values_list(
                "order_id", flat=True
            )
        )
        broken = []
        for order_id, placed in self.promised.items():
            order = orders[order_id]
            if not placed.session_url and order.status not in (Order.Status.COMPLETED, Order.Status.REFUNDED):
                broken.append(f"all or nothing: the answer was paid by credit, and the order is {order.status}")
            if order.promo_code and order_id not in granted:
                broken.append(f"all or nothing: the code {order.promo_code} was taken, and its credit is not granted")
        return broken

    # --- Time, and Stripe ---------------------------------------------------------------------------------
    def end_leases(self) -> None:
        """Let minutes pass: every request to Stripe has timed out, and its lease has ended."""
        Payment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))

    def end_sessions(self) -> None:
        """Let hours pass: Stripe has closed the open sessions and accepts no delayed request any more."""
        self.late_requests.clear()
        self.refresh()
        for session in self.payable:
            self.stripe.do(f"sessions/{session['id']}/expire")
        moment = timezone.now() - timedelta(seconds=1)
        Payment.objects.filter(expires_at__gt=moment).update(leased_until=moment, expires_at=moment)

    def deliver_late_request(self, index: int) -> None:
        """Let a delayed request reach Stripe. No process waits for its answer any more."""
        request = self.late_requests.pop(index % len(self.late_requests))
        # A fault of Stripe may lose it, or its answer.
        with suppress(APIConnectionError):
            request()

    def refund_at_stripe(self, payment: Payment, part_minor: int | None) -> None:
        """Refund a payment in Stripe's dashboard, by a part or by what is not refunded yet."""
        self.refresh()
        session = next((each for each in self._sessions("complete") if each["id"] == payment.session_id), None)
        left = payment.amount_minor - payment.refunded_minor
        if session is None or session["payment_status"] != "paid":
            return
        try:
            self.stripe.do(f"payments/{payment.session_id}/refund", amount=min(part_minor or left, left))
        except HTTPError as refusal:
            # Stripe already made refunds whose events the service has not received.
            assert refusal.code == 400, refusal
        self.count("refund at Stripe")

    def count_outcomes(self) -> None:
        """Count how the simulation's orders, breaks and events ended."""
        for order in Order.objects.select_related("payment"):
            paid = "by card" if hasattr(order, "payment") else "by credit"
            self.count(f"ends: {order.kind} {order.status} {paid}")
        for broken in Break.objects.all():
            self.count(f"break: {broken.kind}")
        for outcome in StripeEvent.objects.values_list("outcome", flat=True):
            self.count(f"outcome: {outcome}")
        if Redemption.objects.filter(status=Redemption.Status.RELEASED).exists():
            self.count("a voucher was given back")
