"""Several customers with little credit, a few codes for fewer of them, and what each was promised.

Every act is one process's, with a fate (fates.py). What it is refused, or cannot do now, is an outcome and no error.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from urllib.error import HTTPError
from uuid import UUID

from django.db import connection
from django.utils import timezone
from hypothesis import event
from procrastinate.contrib.django.models import ProcrastinateJob

from billing.errors import DomainError
from billing.models import Account, Organization
from orders.errors import PaymentProcessorNotConfigured
from orders.models import Break, Order, Payment, StripeEvent
from orders.models.basket import Request
from orders.use_cases.checkout.place_order import Placed, place_order
from orders.use_cases.subscriptions.find_due_subscriptions import find_due_subscriptions
from promos.errors import PromoExhausted
from promos.models import PromoCode, Redemption
from promos.models.redemption import LIVE_STATUSES
from tests.consistency import times_redeemed
from tests.factories import (
    AddOnFactory,
    CustomerFactory,
    OrganizationFactory,
    PlanFactory,
    PromoCodeFactory,
    acting,
    give_credit,
)
from tests.payments.fates import CALM, DIES, Fate, Process
from tests.payments.shopping import ENDPOINT_TYPES
from tests.payments.stripe_process import Object, Stripe
from tests.payments.working import do_job, jobs_to_do, sweep

PLANS = {"m": 9_000, "l": 16_000, "xl": 40_000}
ADDONS = {"backup": 3_000}
CREDITS = {"ada": 2_345, "bob": 0, "cleo": 31_007}
OWNERS = ("ada", "ada", "bob", "cleo")
# Credit, and for how many.
CODES = {"ONE": (10_000, 1), "TWO": (4_999, 2), "ALL": (20_000, 0)}
LONG_AGO = timedelta(days=70)
MEANWHILE = ("sweep", "sweep later", "work", "pay", "expire", "retry")

Choice = TypeVar("Choice")
Standing = tuple[int, int, int]


def pick(choices: Sequence[Choice], place: int) -> Choice:
    return choices[place % len(choices)]


@dataclass
class Town:
    # How often each was reached, in all games of this process.
    reached: ClassVar[Counter[str]] = Counter()

    stripe: Stripe
    organizations: list[Organization] = field(default_factory=list)
    late: list[Callable[[], Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    answers: dict[tuple[str, str, str], UUID] = field(default_factory=dict)
    promised: dict[UUID, Placed] = field(default_factory=dict)
    # Sessions whose bank debit came back.
    bounced: set[str] = field(default_factory=set)

    sessions: list[Object] = field(default_factory=list)
    payable: list[Object] = field(default_factory=list)
    debits: list[Object] = field(default_factory=list)
    undelivered: list[Object] = field(default_factory=list)
    known: list[Object] = field(default_factory=list)
    jobs: list[ProcrastinateJob] = field(default_factory=list)
    due: list[UUID] = field(default_factory=list)
    completed: list[Order] = field(default_factory=list)

    def open(self) -> None:
        """Founds it: nothing of an earlier game is left."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pristine.restore()")
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
        # Two months of it are due; credit lasts for the first.
        self._buy_long_ago(self.organizations[-1])

    def _buy_long_ago(self, organization: Organization) -> None:
        request = Request(tenant_id=organization.id, plan="m", addons=("backup",))
        place_order(request=request, by=acting(organization.customer), now=timezone.now() - LONG_AGO)

    # --- Acts ---------------------------------------------------------------------------------------------
    def act(self, name: str, act: Callable[[], Any], fate: Fate = CALM) -> Any:
        """What it returned or was refused with; None where its process died."""
        process = Process(fate, self.late, self.meanwhile)
        outcome = "done"
        try:
            result = process.run(act)
        except DomainError as refusal:
            result, outcome = refusal, type(refusal).__name__
        if process.befell:
            self.note(f"{fate.what} in {name}")
            if process.is_dead:
                outcome = DIES
        self.note(f"{name}: {outcome}")
        return result

    def note(self, what: str) -> None:
        self.reached[what] += 1
        event(what)

    def meanwhile(self, what: str) -> None:
        """What somebody else does while a process waits for Stripe."""
        acts: dict[str, Callable[[], object]] = {
            "sweep": lambda: sweep(now=timezone.now()),
            "sweep later": sweep,
            "work": lambda: [do_job(job) for job in jobs_to_do()],
            "pay": lambda: self._do_to_newest("pay"),
            "expire": lambda: self._do_to_newest("expire"),
            "retry": lambda: self.requests and self._place(self.requests[-1]),
        }
        self.act(f"meanwhile {what}", acts[what])

    def _do_to_newest(self, action: str) -> None:
        self.look()
        if self.payable:
            self.stripe.do(f"sessions/{self.payable[-1]['id']}/{action}")

    # --- What there is to do ------------------------------------------------------------------------------
    def look(self) -> None:
        """Looks at everything that may be gone on with, oldest first."""
        self.sessions = self.stripe.all("checkout/sessions", **{"expand[]": "data.line_items"})
        self.payable = self._sessions("open")
        debits = self._sessions("complete", payment_status="unpaid")
        self.debits = [each for each in debits if each["id"] not in self.bounced]
        self.known = list(StripeEvent.objects.order_by("received_at", "id").values_list("payload", flat=True))
        known = {each["id"] for each in self.known}
        self.undelivered = [
            each for each in self.stripe.events() if each["id"] not in known and each["type"] in ENDPOINT_TYPES
        ]
        self.jobs = jobs_to_do()
        self.due = find_due_subscriptions()
        self.completed = list(Order.objects.filter(status=Order.Status.COMPLETED).order_by("created_at", "id"))

    def _sessions(self, status: str, **wanted: Any) -> list[Object]:
        return [each for each in self.sessions if {"status": status, **wanted}.items() <= each.items()]

    def do_job(self, job: ProcrastinateJob, fate: Fate) -> None:
        self.act(f"job {job.task_name}", lambda: do_job(job), fate)

    # --- Checkouts, and what is promised by their answers -------------------------------------------------
    def request(self, place: int, basket: tuple[str, tuple[str, ...]], code: str, key: str) -> Request:
        organization = pick(self.organizations, place)
        plan, addons = basket
        return Request(
            tenant_id=organization.id,
            plan=plan,
            addons=addons,
            promo_code=code,
            idempotency_key=f"key {len(self.requests)}" if key == "new" else key,
            fingerprint=f"{organization.id} {plan} {addons} {code}" if key else "",
        )

    def check_out(self, request: Request, fate: Fate) -> None:
        organization = self.owner_of(request)
        self.requests.append(request)
        before = self._standing(organization)
        had_open = Order.objects.filter(customer=organization.customer, status=Order.Status.PENDING).exists()
        answer = self.act("checkout", lambda: self._place(request), fate)
        is_alone = fate.what not in MEANWHILE
        if isinstance(answer, Placed):
            self._promise(request, answer, is_alone=is_alone)
        elif isinstance(answer, DomainError) and is_alone:
            assert not isinstance(answer, PaymentProcessorNotConfigured)
            if isinstance(answer, PromoExhausted):
                promo_code = PromoCode.objects.get(code=request.promo_code)
                taken = times_redeemed(promo_code)
                assert taken >= promo_code.max_redemptions, f"I1: exhausted at {taken} places"
            if not had_open:
                after = self._standing(organization)
                assert after == before, f"I3: refused with {answer.code}, and {before} became {after}"

    def owner_of(self, request: Request) -> Organization:
        return Organization.objects.select_related("customer").get(id=request.tenant_id)

    def _place(self, request: Request) -> Placed:
        return place_order(request=request, by=acting(self.owner_of(request).customer))

    def _standing(self, organization: Organization) -> Standing:
        """Balance, what is held of it, and live redemptions."""
        account = Account.objects.get(customer=organization.customer)
        live = Redemption.objects.filter(customer_id=account.pk, status__in=LIVE_STATUSES)
        return account.balance_minor, account.held_minor, live.count()

    def _promise(self, request: Request, placed: Placed, *, is_alone: bool) -> None:
        customer = self.owner_of(request).customer
        self.promised[placed.order_id] = placed
        self.note("promised by credit" if not placed.session_url else "promised a session")
        if request.idempotency_key:
            intent = (customer.user_id, request.idempotency_key, request.fingerprint)
            first = self.answers.setdefault(intent, placed.order_id)
            assert first == placed.order_id, f"I5: {intent} has the orders {first} and {placed.order_id}"
        if is_alone and not placed.replayed:
            balance_minor = Account.objects.get(customer=customer).balance_minor
            assert placed.balance_minor == balance_minor, f"I4: told {placed.balance_minor}, it is {balance_minor}"

    def broken_promises(self) -> list[str]:
        """A paid order stands or was refunded; a voucher that an answer took is on the balance for good."""
        orders = {order.id: order for order in Order.objects.filter(id__in=self.promised)}
        granted = set(
            Redemption.objects.filter(order_id__in=self.promised, status=Redemption.Status.CONFIRMED).values_list(
                "order_id", flat=True
            )
        )
        faults = []
        for order_id, placed in self.promised.items():
            order = orders[order_id]
            if not placed.session_url and order.status not in (Order.Status.COMPLETED, Order.Status.REFUNDED):
                faults.append(f"I3: the answer was paid by credit, and the order is {order.status}")
            if order.promo_code and order_id not in granted:
                faults.append(f"I3: the code {order.promo_code} was taken, and its credit is not granted")
        return faults

    # --- Time, and Stripe ---------------------------------------------------------------------------------
    def end_leases(self) -> None:
        """Minutes pass: whoever was asking Stripe has given up."""
        Payment.objects.update(leased_until=timezone.now() - timedelta(seconds=1))

    def end_sessions(self) -> None:
        """Hours pass: Stripe has closed the sessions that were open, and takes no request that was made before."""
        self.late.clear()
        self.look()
        for session in self.payable:
            self.stripe.do(f"sessions/{session['id']}/expire")
        moment = timezone.now() - timedelta(seconds=1)
        Payment.objects.filter(expires_at__gt=moment).update(leased_until=moment, expires_at=moment)

    def bring_late(self, place: int) -> None:
        """A request that the network kept reaches Stripe; nobody waits for the answer any more."""
        self.late.pop(place % len(self.late))()

    def refund_at_stripe(self, payment: Payment, part_minor: int | None) -> None:
        """Staff give back in Stripe's dashboard, at most what is left."""
        self.look()
        told = next((each for each in self._sessions("complete") if each["id"] == payment.session_id), None)
        left = payment.amount_minor - payment.refunded_minor
        if told is None or told["payment_status"] != "paid":
            return
        try:
            self.stripe.do(f"payments/{payment.session_id}/refund", amount=min(part_minor or left, left))
        except HTTPError as refusal:
            # Stripe knows of refunds that its events have not told yet.
            assert refusal.code == 400, refusal
        self.note("refund at Stripe")

    def count_ends(self) -> None:
        """How the orders of a game ended."""
        for order in Order.objects.select_related("payment"):
            paid = "by card" if hasattr(order, "payment") else "by credit"
            self.note(f"ends: {order.kind} {order.status} {paid}")
        for broken in Break.objects.all():
            self.note(f"break: {broken.kind}")
        for outcome in StripeEvent.objects.values_list("outcome", flat=True):
            self.note(f"outcome: {outcome}")
        if Redemption.objects.filter(status=Redemption.Status.RELEASED).exists():
            self.note("a voucher was given back")
