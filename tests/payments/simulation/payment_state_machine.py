"""The state machine that chooses what happens next, in any order and with any interruption."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.db.models import F
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from billing.actor import system_actor
from billing.models import Organization, Subscription
from orders.models import Order
from orders.use_cases.organizations.delete_organization import delete_organization
from orders.use_cases.payments.request_refund import refund_order
from orders.use_cases.subscriptions.renew_subscription import renew_subscription
from promos.models import PromoCode
from promos.use_cases.change_code import pause_code, resume_code, retire_code
from promos.use_cases.issue_code import Terms, issue_code
from tests.factories import OrganizationFactory, acting, actor
from tests.payments import stripe_failures
from tests.payments.consistency_at_rest import find_disagreements
from tests.payments.simulation.consistency_at_any_time import find_violations
from tests.payments.simulation.finish_simulation import finish_simulation
from tests.payments.simulation.interruptions import (
    ANSWER_IS_LOST,
    ANSWERS_ARE_LOST,
    NO_INTERRUPTION,
    PROCESS_DIES,
    REQUEST_IS_LATE,
    REQUESTS_ARE_LATE,
    Interruption,
)
from tests.payments.simulation.simulation import ADDONS, CODES, CONCURRENT_ACTIONS, PLANS, Simulation, pick
from tests.payments.stripe_failures import FAILURES, LASTING, ONCE, fault_for
from tests.payments.stripe_server import Object, Stripe
from tests.payments.webhook_delivery import post_event
from tests.payments.worker import runnable_jobs, sweep

STAFF = actor()
GRACE = timedelta(days=8)
MAX_STEPS = 14
MAX_DELETIONS = 2

Basket = tuple[str, tuple[str, ...]]

baskets = st.tuples(st.sampled_from(sorted(PLANS)), st.sampled_from([(), tuple(ADDONS)]))
codes = st.sampled_from(["", "", *CODES])
keys = st.sampled_from(["", "new", "new", "one"])
indexes = st.integers(min_value=0, max_value=99)
crashes = [Interruption(step, PROCESS_DIES) for step in range(1, MAX_STEPS + 1)]
lost_calls = [
    Interruption(step, what)
    for step in (1, 4, 8)
    for what in (REQUEST_IS_LATE, REQUESTS_ARE_LATE, ANSWER_IS_LOST, ANSWERS_ARE_LOST)
]
concurrent_actions = [Interruption(step, what) for step in (1, 4, 8) for what in CONCURRENT_ACTIONS]
interruptions = st.sampled_from([NO_INTERRUPTION] * 20 + crashes + lost_calls + concurrent_actions)
# Slow answers are left to settlement/test_stripe_failures.py, since they take time.
_QUICK_FAILURES = sorted(name for name, fault in FAILURES.items() if "seconds" not in fault)
faults = st.builds(
    fault_for,
    st.sampled_from(
        [
            stripe_failures.CREATE_SESSION,
            stripe_failures.CREATE_COUPON,
            stripe_failures.CREATE_CUSTOMER,
            stripe_failures.EXPIRE_SESSION,
            stripe_failures.READ_SESSION,
            stripe_failures.CREATE_REFUND,
            stripe_failures.CANCEL_SUBSCRIPTION,
            # POST only, so that the tests' own reads do not fail.
            {"method": "POST", "path": "/v1/*"},
        ]
    ),
    st.sampled_from(_QUICK_FAILURES),
    st.sampled_from([ONCE, LASTING]),
)


class PaymentStateMachine(RuleBasedStateMachine):
    stripe: ClassVar[Stripe]

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation(self.stripe)
        self.simulation.set_up()
        # False after a failed check: then `teardown` checks nothing more.
        self.is_sound = True
        self.is_checked = False
        self.is_stripe_healthy = True
        self.deletions = 0

    def perform(self, action: Callable[[], object]) -> None:
        self.is_sound = self.is_checked = False
        action()
        self.is_sound = True

    # --- Customers ----------------------------------------------------------------------------------------
    @rule(index=indexes, basket=baskets, code=codes, key=keys, interruption=interruptions)
    def check_out(self, index: int, basket: Basket, code: str, key: str, interruption: Interruption) -> None:
        request = self.simulation.request(index, basket, code, key)
        self.perform(lambda: self.simulation.check_out(request, interruption))

    @rule(index=indexes, basket=baskets, code=codes, action=st.sampled_from(["pay", "pay", "pay_async"]))
    def buy(self, index: int, basket: Basket, code: str, action: str) -> None:
        """Check out and pay before anything else happens."""
        request = self.simulation.request(index, basket, code, "new")
        self.perform(lambda: self.simulation.check_out(request, NO_INTERRUPTION))
        self.simulation.refresh()
        for session in self.simulation.payable:
            if session["metadata"]["tenant_id"] == str(request.tenant_id):
                self.act_at_stripe(session, action)

    @precondition(lambda self: self.simulation.requests)
    @rule(index=indexes, minutes_later=st.booleans(), interruption=interruptions)
    def check_out_again(self, index: int, minutes_later: bool, interruption: Interruption) -> None:
        if minutes_later:
            self.simulation.end_leases()
        request = pick(self.simulation.requests[::-1], index % 3)
        self.perform(lambda: self.simulation.check_out(request, interruption))

    @precondition(lambda self: self.simulation.payable)
    @rule(index=indexes, action=st.sampled_from(["pay", "pay", "pay", "pay_async", "refuse", "expire"]))
    def customer_at_stripe(self, index: int, action: str) -> None:
        self.act_at_stripe(pick(self.simulation.payable[::-1], index), action)

    @precondition(lambda self: self.simulation.debits)
    @rule(index=indexes, action=st.sampled_from(["settle_async", "fail_async"]))
    def bank_decides(self, index: int, action: str) -> None:
        session = pick(self.simulation.debits, index)
        if action == "fail_async":
            self.simulation.bounced.add(session["id"])
        self.act_at_stripe(session, action)

    def act_at_stripe(self, session: Object, action: str) -> None:
        self.is_checked = False
        self.stripe.do(f"sessions/{session['id']}/{action}")
        self.simulation.count(f"at Stripe: {action}")

    @precondition(lambda self: self.deletions < MAX_DELETIONS)
    @rule(index=indexes, interruption=interruptions)
    def delete_organization(self, index: int, interruption: Interruption) -> None:
        """Delete an organization and give its customer another one."""
        self.deletions += 1
        position = index % len(self.simulation.organizations)
        organization = self.simulation.organizations[position]
        by = acting(organization.customer)

        def delete() -> Organization:
            return delete_organization(organization_id=organization.id, by=by)

        self.perform(lambda: self.simulation.act("deletion", delete, interruption))
        if Organization.objects.get(id=organization.id).status == Organization.Status.DELETED:
            self.simulation.organizations[position] = OrganizationFactory.create(customer=organization.customer)

    # --- Stripe's events, and the worker ------------------------------------------------------------------
    @precondition(lambda self: self.simulation.undelivered_events)
    @rule(index=indexes, interruption=interruptions)
    def deliver_events(self, index: int, interruption: Interruption) -> None:
        event = pick(self.simulation.undelivered_events, index)
        self.perform(lambda: self.simulation.act(f"event {event['type']}", lambda: self.receive(event), interruption))

    @precondition(lambda self: self.simulation.delivered)
    @rule(index=indexes)
    def deliver_again(self, index: int) -> None:
        event = pick(self.simulation.delivered, index)
        self.perform(lambda: self.simulation.act("duplicate event", lambda: self.receive(event, is_new=False)))

    def receive(self, event: Object, *, is_new: bool = True) -> None:
        answer = post_event(event)
        assert answer.status_code == 200, answer.content
        assert answer.json()["duplicate"] != is_new

    @precondition(lambda self: self.simulation.jobs)
    @rule(index=indexes, interruption=interruptions)
    def run_one_job(self, index: int, interruption: Interruption) -> None:
        self.perform(lambda: self.simulation.run_job(pick(self.simulation.jobs, index), interruption))

    @precondition(lambda self: len(self.simulation.jobs) > 1)
    @rule(interruption=interruptions)
    def run_jobs_in_order(self, interruption: Interruption) -> None:
        """Run all jobs in order; only the first one is interrupted."""
        for job in self.simulation.jobs:
            self.perform(lambda job=job, how=interruption: self.simulation.run_job(job, how))  # type: ignore[misc]
            interruption = NO_INTERRUPTION

    @rule()
    def deliver_and_run_everything(self) -> None:
        """Deliver all events and run all jobs, in order and without an interruption."""
        for event in self.simulation.undelivered_events:
            self.perform(lambda event=event: self.receive(event))  # type: ignore[misc]
        for job in runnable_jobs():
            self.perform(lambda job=job: self.simulation.run_job(job, NO_INTERRUPTION))  # type: ignore[misc]

    @rule(when=st.sampled_from(["now", "later", "after the sessions"]), interruption=interruptions)
    def sweep(self, when: str, interruption: Interruption) -> None:
        if when == "after the sessions":
            self.simulation.end_sessions()
        now = timezone.now() if when == "now" else None
        self.perform(lambda: self.simulation.act(f"sweep {when}", lambda: sweep(now=now), interruption))

    @precondition(lambda self: self.simulation.due)
    @rule(interruption=interruptions, grace_is_over=st.booleans())
    def renew(self, interruption: Interruption, grace_is_over: bool) -> None:
        if grace_is_over:
            late = Subscription.objects.filter(past_due_since__isnull=False)
            # The request that made the month past due was made at the same moment.
            first = Order.objects.filter(status=Order.Status.PENDING, renews__past_due_since=F("created_at"))
            first.update(created_at=F("created_at") - GRACE)
            late.update(past_due_since=F("past_due_since") - GRACE)
        by = system_actor(channel="worker", user_id="renewals")
        for subscription_id in self.simulation.due:

            def renew(subscription_id: Any = subscription_id) -> list[str]:
                return [outcome.value for outcome in renew_subscription(subscription_id=subscription_id, by=by)]

            self.perform(lambda renew=renew: self.count_renewals(self.simulation.act("renewal", renew, interruption)))  # type: ignore[misc]

    def count_renewals(self, outcomes: object) -> None:
        if isinstance(outcomes, list):
            for outcome in outcomes:
                self.simulation.count(f"renewal is {outcome}")

    # --- Staff --------------------------------------------------------------------------------------------
    @precondition(lambda self: self.simulation.completed)
    @rule(
        index=indexes, part=st.sampled_from([None, None, 1_000]), at_stripe=st.booleans(), interruption=interruptions
    )
    def refund(self, index: int, part: int | None, at_stripe: bool, interruption: Interruption) -> None:
        order = pick(self.simulation.completed, index)

        def refund() -> object:
            return refund_order(order_id=order.id, card_minor=part, why="a simulation", by=STAFF)

        if not at_stripe:
            self.perform(lambda: self.simulation.act("refund", refund, interruption))
        elif hasattr(order, "payment"):
            self.perform(lambda: self.simulation.refund_at_stripe(order.payment, part))

    @rule(
        code=st.sampled_from(sorted(CODES)),
        verb=st.sampled_from(["raise", "raise", "lower", "pause", "resume", "retire"]),
    )
    def change_code(self, code: str, verb: str) -> None:
        found = PromoCode.objects.get(code=code)
        difference = {"raise": 1, "lower": -1}.get(verb, 0)
        cap = max(found.max_redemptions + difference, 1) if found.max_redemptions else 0
        terms = Terms(credit_minor=found.credit_minor, max_redemptions=cap)
        verbs = {"pause": pause_code, "resume": resume_code, "retire": retire_code}

        def change() -> object:
            return verbs[verb](code=code, by=STAFF) if verb in verbs else issue_code(code=code, terms=terms, by=STAFF)

        self.perform(lambda: self.simulation.act(f"code: {verb}", change))

    # --- Failures -----------------------------------------------------------------------------------------
    @precondition(lambda self: self.is_stripe_healthy)
    @rule(fault=faults)
    def stripe_fails(self, fault: dict[str, Any]) -> None:
        self.stripe.fault(**fault)
        self.is_stripe_healthy = False

    @precondition(lambda self: not self.is_stripe_healthy)
    @rule()
    def stripe_is_healed(self) -> None:
        self.stripe.heal()
        self.is_stripe_healthy = True

    @precondition(lambda self: self.simulation.late_requests)
    @rule(index=indexes)
    def late_request_arrives(self, index: int) -> None:
        self.perform(lambda: self.simulation.deliver_late_request(index))
        self.simulation.count("late request")

    # --- Checks -------------------------------------------------------------------------------------------
    @invariant()
    def nothing_is_violated(self) -> None:
        if self.is_checked:
            return
        self.is_sound = False
        self.simulation.refresh()
        violations = [*find_violations(self.simulation.sessions), *self.simulation.find_broken_promises()]
        assert not violations, "\n".join(violations)
        self.is_sound = self.is_checked = True

    def teardown(self) -> None:
        if not self.is_sound:
            return
        while self.simulation.late_requests:
            self.simulation.deliver_late_request(0)
        finish_simulation(self.simulation)
        self.is_checked = False
        self.nothing_is_violated()
        disagreements = find_disagreements(self.stripe)
        assert not disagreements, "\n".join(disagreements)
        self.simulation.count_outcomes()
