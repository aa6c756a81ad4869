"""The random schedules themselves: what may happen next, in any order and with any fate."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.db.models import F
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from billing.actor import system_actor
from billing.models import Organization, Subscription
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.subscriptions.renew_subscription import renew_subscription
from promos.models import PromoCode
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from tests.factories import OrganizationFactory, acting, actor
from tests.payments import failures
from tests.payments.always import wrong_now
from tests.payments.books import disagreements
from tests.payments.failures import FAILURES, LASTING, ONCE, switch
from tests.payments.fates import (
    ANSWER_IS_LOST,
    ANSWERS_ARE_LOST,
    CALM,
    DIES,
    REQUEST_IS_LATE,
    REQUESTS_ARE_LATE,
    Fate,
)
from tests.payments.resting import come_to_rest
from tests.payments.shopping import post_event
from tests.payments.stripe_process import Object, Stripe
from tests.payments.town import ADDONS, CODES, MEANWHILE, PLANS, Town, pick
from tests.payments.working import jobs_to_do, sweep

STAFF = actor()
GRACE = timedelta(days=8)
MOST_STEPS = 14
MOST_DELETIONS = 2

Basket = tuple[str, tuple[str, ...]]

baskets = st.tuples(st.sampled_from(sorted(PLANS)), st.sampled_from([(), tuple(ADDONS)]))
codes = st.sampled_from(["", "", *CODES])
keys = st.sampled_from(["", "new", "new", "one"])
places = st.integers(min_value=0, max_value=99)
crashes = [Fate(step, DIES) for step in range(1, MOST_STEPS + 1)]
losses = [
    Fate(step, what)
    for step in (1, 4, 8)
    for what in (REQUEST_IS_LATE, REQUESTS_ARE_LATE, ANSWER_IS_LOST, ANSWERS_ARE_LOST)
]
others = [Fate(step, what) for step in (1, 4, 8) for what in MEANWHILE]
fates = st.sampled_from([CALM] * 20 + crashes + losses + others)
# What a slow answer costs in time is spent in test_fault_matrix.
_QUICK = sorted(name for name, how in FAILURES.items() if "seconds" not in how)
faults = st.builds(
    switch,
    st.sampled_from(
        [
            failures.SESSION,
            failures.COUPON,
            failures.CUSTOMER,
            failures.EXPIRE,
            failures.LOOK,
            failures.REFUND,
            failures.CANCEL,
            # The tests' own reading must not be hit.
            {"method": "POST", "path": "/v1/*"},
        ]
    ),
    st.sampled_from(_QUICK),
    st.sampled_from([ONCE, LASTING]),
)


class Schedule(RuleBasedStateMachine):
    stripe: ClassVar[Stripe]

    def __init__(self) -> None:
        super().__init__()
        self.town = Town(self.stripe)
        self.town.open()
        # After something was found wrong there is nothing to look at any more.
        self.is_sound = True
        self.is_looked_at = False
        self.is_stripe_well = True
        self.deletions = 0

    def does(self, act: Callable[[], object]) -> None:
        self.is_sound = self.is_looked_at = False
        act()
        self.is_sound = True

    # --- Customers ----------------------------------------------------------------------------------------
    @rule(place=places, basket=baskets, code=codes, key=keys, fate=fates)
    def check_out(self, place: int, basket: Basket, code: str, key: str, fate: Fate) -> None:
        request = self.town.request(place, basket, code, key)
        self.does(lambda: self.town.check_out(request, fate))

    @rule(place=places, basket=baskets, code=codes, action=st.sampled_from(["pay", "pay", "pay_async"]))
    def buy(self, place: int, basket: Basket, code: str, action: str) -> None:
        """Checked out and paid, before anything else happens."""
        request = self.town.request(place, basket, code, "new")
        self.does(lambda: self.town.check_out(request, CALM))
        self.town.look()
        for session in self.town.payable:
            if session["metadata"]["tenant_id"] == str(request.tenant_id):
                self.at_stripe(session, action)

    @precondition(lambda self: self.town.requests)
    @rule(place=places, minutes_later=st.booleans(), fate=fates)
    def check_out_again(self, place: int, minutes_later: bool, fate: Fate) -> None:
        if minutes_later:
            self.town.end_leases()
        request = pick(self.town.requests[::-1], place % 3)
        self.does(lambda: self.town.check_out(request, fate))

    @precondition(lambda self: self.town.payable)
    @rule(place=places, action=st.sampled_from(["pay", "pay", "pay", "pay_async", "refuse", "expire"]))
    def customer_at_stripe(self, place: int, action: str) -> None:
        self.at_stripe(pick(self.town.payable[::-1], place), action)

    @precondition(lambda self: self.town.debits)
    @rule(place=places, action=st.sampled_from(["settle_async", "fail_async"]))
    def bank_decides(self, place: int, action: str) -> None:
        session = pick(self.town.debits, place)
        if action == "fail_async":
            self.town.bounced.add(session["id"])
        self.at_stripe(session, action)

    def at_stripe(self, session: Object, action: str) -> None:
        self.is_looked_at = False
        self.stripe.do(f"sessions/{session['id']}/{action}")
        self.town.note(f"at Stripe: {action}")

    @precondition(lambda self: self.deletions < MOST_DELETIONS)
    @rule(place=places, fate=fates)
    def delete_organization(self, place: int, fate: Fate) -> None:
        """It makes room for another of the same customer's."""
        self.deletions += 1
        position = place % len(self.town.organizations)
        organization = self.town.organizations[position]
        by = acting(organization.customer)

        def delete() -> Organization:
            return delete_organization(organization_id=organization.id, by=by)

        self.does(lambda: self.town.act("deletion", delete, fate))
        if Organization.objects.get(id=organization.id).status == Organization.Status.DELETED:
            self.town.organizations[position] = OrganizationFactory.create(customer=organization.customer)

    # --- Stripe's events, and the worker ------------------------------------------------------------------
    @precondition(lambda self: self.town.undelivered)
    @rule(place=places, fate=fates)
    def deliver(self, place: int, fate: Fate) -> None:
        event = pick(self.town.undelivered, place)
        self.does(lambda: self.town.act(f"event {event['type']}", lambda: self.post(event), fate))

    @precondition(lambda self: self.town.known)
    @rule(place=places)
    def deliver_again(self, place: int) -> None:
        event = pick(self.town.known, place)
        self.does(lambda: self.town.act("duplicate event", lambda: self.post(event, is_new=False)))

    def post(self, event: Object, *, is_new: bool = True) -> None:
        answer = post_event(event)
        assert answer.status_code == 200, answer.content
        assert answer.json()["duplicate"] != is_new

    @precondition(lambda self: self.town.jobs)
    @rule(place=places, fate=fates)
    def work(self, place: int, fate: Fate) -> None:
        self.does(lambda: self.town.do_job(pick(self.town.jobs, place), fate))

    @precondition(lambda self: len(self.town.jobs) > 1)
    @rule(fate=fates)
    def work_in_order(self, fate: Fate) -> None:
        """The first job has the fate, the others are done in peace."""
        for number, job in enumerate(self.town.jobs):
            self.does(lambda job=job, number=number: self.town.do_job(job, CALM if number else fate))  # type: ignore[misc]

    @rule()
    def all_goes_well(self) -> None:
        """For a moment: events come at once and in order, and so do jobs."""
        for event in self.town.undelivered:
            self.does(lambda event=event: self.post(event))  # type: ignore[misc]
        for job in jobs_to_do():
            self.does(lambda job=job: self.town.do_job(job, CALM))  # type: ignore[misc]

    @rule(when=st.sampled_from(["now", "later", "after the sessions"]), fate=fates)
    def sweep(self, when: str, fate: Fate) -> None:
        if when == "after the sessions":
            self.town.end_sessions()
        now = timezone.now() if when == "now" else None
        self.does(lambda: self.town.act(f"sweep {when}", lambda: sweep(now=now), fate))

    @precondition(lambda self: self.town.due)
    @rule(fate=fates, grace_is_over=st.booleans())
    def renew(self, fate: Fate, grace_is_over: bool) -> None:
        if grace_is_over:
            late = Subscription.objects.filter(past_due_since__isnull=False)
            late.update(past_due_since=F("past_due_since") - GRACE)
        by = system_actor(channel="worker", user_id="renewals")
        for subscription_id in self.town.due:

            def renew(subscription_id: Any = subscription_id) -> list[str]:
                return [outcome.value for outcome in renew_subscription(subscription_id=subscription_id, by=by)]

            self.does(lambda renew=renew: self.renewed(self.town.act("renewal", renew, fate)))  # type: ignore[misc]

    def renewed(self, outcomes: object) -> None:
        if isinstance(outcomes, list):
            for outcome in outcomes:
                self.town.note(f"renewal is {outcome}")

    # --- Staff --------------------------------------------------------------------------------------------
    @precondition(lambda self: self.town.completed)
    @rule(place=places, part=st.sampled_from([None, None, 1_000]), at_stripe=st.booleans(), fate=fates)
    def refund(self, place: int, part: int | None, at_stripe: bool, fate: Fate) -> None:
        order = pick(self.town.completed, place)

        def refund() -> object:
            return refund_order(order_id=order.id, card_minor=part, why="a game", by=STAFF)

        if not at_stripe:
            self.does(lambda: self.town.act("refund", refund, fate))
        elif hasattr(order, "payment"):
            self.does(lambda: self.town.refund_at_stripe(order.payment, part))

    @rule(
        code=st.sampled_from(sorted(CODES)),
        verb=st.sampled_from(["raise", "raise", "lower", "pause", "resume", "retire"]),
    )
    def change_code(self, code: str, verb: str) -> None:
        found = PromoCode.objects.get(code=code)
        change = {"raise": 1, "lower": -1}.get(verb, 0)
        cap = max(found.max_redemptions + change, 1) if found.max_redemptions else 0
        terms = Terms(credit_minor=found.credit_minor, max_redemptions=cap)
        others = {"pause": pause_code, "resume": resume_code, "retire": retire_code}

        def do() -> object:
            return (
                others[verb](code=code, by=STAFF) if verb in others else issue_code(code=code, terms=terms, by=STAFF)
            )

        self.does(lambda: self.town.act(f"code: {verb}", do))

    # --- What goes wrong ----------------------------------------------------------------------------------
    @precondition(lambda self: self.is_stripe_well)
    @rule(fault=faults)
    def stripe_fails(self, fault: dict[str, Any]) -> None:
        self.stripe.fault(**fault)
        self.is_stripe_well = False

    @precondition(lambda self: not self.is_stripe_well)
    @rule()
    def stripe_is_healed(self) -> None:
        self.stripe.heal()
        self.is_stripe_well = True

    @precondition(lambda self: self.town.late)
    @rule(place=places)
    def late_request_arrives(self, place: int) -> None:
        self.does(lambda: self.town.bring_late(place))
        self.town.note("late request")

    # --- What must hold -----------------------------------------------------------------------------------
    @invariant()
    def all_is_well(self) -> None:
        if self.is_looked_at:
            return
        self.is_sound = False
        self.town.look()
        faults = [*wrong_now(self.town.sessions), *self.town.broken_promises()]
        assert not faults, "\n".join(faults)
        self.is_sound = self.is_looked_at = True

    def teardown(self) -> None:
        if not self.is_sound:
            return
        while self.town.late:
            self.town.bring_late(0)
        come_to_rest(self.town)
        self.is_looked_at = False
        self.all_is_well()
        faults = disagreements(self.stripe)
        assert not faults, "\n".join(faults)
        self.town.count_ends()
