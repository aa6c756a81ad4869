"""What must agree at rest about subscriptions by the month: periods, invoices, events and letters (I5, I6)."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import AuditEntry, Invoice, Organization, Subscription
from billing.models.subscription import ENDED_STATUSES
from orders.models import Break, Order, OutboxEvent, StripeEvent
from orders.models.period import next_period
from tests.payments.stripe_process import Object, Stripe

Faults = list[str]
Period = tuple[datetime, datetime]
# Kind and month of an event, kind and subject of a letter: how often.
Told = Counter[tuple[str, str]]

IN_EFFECT = (Order.Status.COMPLETED, Order.Status.REFUNDED)


def renewals_disagree() -> Faults:
    """Every disagreement about a subscription that credit pays, and about who is suspended."""
    letters = letters_queued()
    faults = []
    for subscription in Subscription.objects.filter(paid_by=Subscription.PaidBy.CREDIT):
        told = told_of(subscription)
        periods, found = _periods(subscription)
        faults += found
        faults += _invoices(subscription, periods)
        faults += _events(subscription, periods, told)
        faults += _letters(subscription, told, letters)
    for organization in Organization.objects.all():
        faults += _suspended(organization)
    return faults


def letters_queued() -> Told:
    """Every letter that was ever queued, sent or not."""
    jobs = ProcrastinateJob.objects.filter(task_name="send_mail").values_list("args", flat=True)
    return Counter((args["mail"], args["subject_id"]) for args in jobs)


def told_of(subscription: Subscription) -> Told:
    """Every event of the subscription, by kind and the month it is about."""
    events = OutboxEvent.objects.filter(type__startswith="subscription.", data__subscription_id=str(subscription.id))
    return Counter((event.type.removeprefix("subscription."), _month_of(event)) for event in events)


def _month_of(event: OutboxEvent) -> str:
    return datetime.fromisoformat(event.data["period_start"]).isoformat()


def _periods(subscription: Subscription) -> tuple[dict[Period, UUID], Faults]:
    """The paid months with the order of each: as many as orders in effect, one after the other, the last one ours."""
    first = Order.objects.get(id=subscription.order_id)
    assert first.completed_at is not None
    renewals = list(
        Order.objects.filter(renews=subscription, status__in=IN_EFFECT).order_by("period_start").select_related(None)
    )
    month = next_period(anchor=first.completed_at, end=first.completed_at)
    paid = {month: first.id}
    faults = []
    for order in renewals:
        month = next_period(anchor=first.completed_at, end=month[1])
        paid[month] = order.id
        if order.period_start != month[0]:
            faults.append(f"I5: order {order.id} renews {order.period_start}, due was {month[0]}")
    ours = (subscription.current_period_start, subscription.current_period_end)
    if ours != month:
        faults.append(f"I5: {len(paid)} months are paid, until {month[1]}; the subscription runs until {ours[1]}")
    return paid, faults


def _invoices(subscription: Subscription, paid: dict[Period, UUID]) -> Faults:
    """One invoice a month, paid exactly where the month is; the month that is due is open, or void when it ended."""
    faults = []
    invoices = {
        (each.period_start, each.period_end): each for each in Invoice.objects.filter(subscription=subscription)
    }
    if len(invoices) != Invoice.objects.filter(subscription=subscription).count():
        faults.append("I5: a month has two invoices")
    for month, order_id in paid.items():
        invoice = invoices.pop(month, None)
        if invoice is None or (invoice.status, invoice.order_id) != (Invoice.Status.PAID, order_id):
            faults.append(f"I5: the month from {month[0]} is paid by {order_id}, its invoice is {invoice}")
        elif invoice.amount_minor != subscription.amount_minor:
            faults.append(f"I7: the invoice of {month[0]} is over {invoice.amount_minor}")
    due = [(month[0], each.status) for month, each in invoices.items()]
    expected = {Subscription.Status.PAST_DUE: Invoice.Status.OPEN, Subscription.Status.CANCELED: Invoice.Status.VOID}
    wanted = [(subscription.current_period_end, expected.get(Subscription.Status(subscription.status)))]
    if due != wanted and (due or subscription.status == Subscription.Status.PAST_DUE):
        faults.append(f"I5: a {subscription.status} subscription has unpaid invoices {due}")
    return faults


def _events(subscription: Subscription, paid: dict[Period, UUID], told: Told) -> Faults:
    """Each paid month but the first is told of once, one that was not paid once, the end for that at most once."""
    faults = [f"I6: {kind} of {month} was told {times} times" for (kind, month), times in told.items() if times > 1]
    renewed = {month for kind, month in told if kind == "renewed"}
    months = {start.isoformat() for start, _ in list(paid)[1:]}
    if renewed != months:
        faults.append(f"I6: renewed was told of {sorted(renewed)}, paid are {sorted(months)}")
    due = ("past_due", subscription.current_period_end.isoformat())
    ended = {month for kind, month in told if kind == "canceled"}
    if was_refunded(subscription):
        last = {subscription.current_period_start.isoformat()}
        return faults if ended == last else [*faults, f"I6: the end of {last} was told of {ended}"]
    if subscription.status == Subscription.Status.PAST_DUE and due not in told:
        faults.append("I6: nobody was told that the month is not paid")
    if ended and (subscription.status != Subscription.Status.CANCELED or ended != {due[1]} or due not in told):
        faults.append(f"I6: canceled was told of {ended}, the subscription is {subscription.status}")
    return faults


def _letters(subscription: Subscription, told: Told, letters: Told) -> Faults:
    """One letter for each event; of a month that is not paid one more for each session that can be paid."""
    expected: Told = Counter()
    for invoice in Invoice.objects.filter(subscription=subscription):
        month = invoice.period_start.isoformat()
        subject = str(invoice.id)
        expected["renewed", subject] = told["renewed", month]
        if ("past_due", month) in told:
            expected["past_due", subject] = _reminders(subscription, invoice.period_start)
    expected["canceled", str(subscription.id)] = _ends_with_a_letter(subscription, told)
    return [
        f"I6: {letters[letter]} letters {letter[0]} were queued, {number} are right"
        for letter, number in expected.items()
        if letters[letter] != number
    ]


def _ends_with_a_letter(subscription: Subscription, told: Told) -> int:
    ended = sum(times for (kind, _), times in told.items() if kind == "canceled")
    # The refund's own letter says it.
    return 0 if was_refunded(subscription) else ended


def was_refunded(subscription: Subscription) -> bool:
    """Whether a refund ended it."""
    ends = AuditEntry.objects.filter(action="subscription.canceled", object_id=str(subscription.id))
    return ends.filter(reason__startswith="refunded: ").exists()


def _reminders(subscription: Subscription, month: datetime) -> int:
    """Every session has its letter; where the first try to get one failed, a letter said so without a link."""
    asked = Order.objects.filter(renews=subscription, period_start=month, payment__isnull=False)
    links = [bool(order.payment.session_url) for order in asked.order_by("created_at").select_related("payment")]
    return sum(links) + (not links or not links[0])


def _suspended(organization: Organization) -> Faults:
    """Suspended is who was cancelled for not paying, or refunded, and has not bought again, and nobody else."""
    subscriptions = Subscription.objects.filter(organization=organization).order_by("created_at")
    live = [each for each in subscriptions if each.status not in ENDED_STATUSES]
    newest = subscriptions.last()
    unpaid = newest is not None and any(kind == "canceled" for kind, _ in told_of(newest))
    is_suspended = organization.status == Organization.Status.SUSPENDED
    if is_suspended and (live or not unpaid):
        return [f"I3: {organization} is suspended with {live or 'a subscription that nobody cancelled'}"]
    if organization.status == Organization.Status.ACTIVE and unpaid and not live:
        return [f"I3: {organization} is active, and nothing pays for it"]
    return []


def card_renewals_disagree(stripe: Stripe) -> Faults:
    """Every disagreement about a subscription that Stripe charges by the month."""
    letters = letters_queued()
    faults = []
    at_stripe = {each["id"]: each for each in stripe.subscriptions()}
    for subscription in Subscription.objects.filter(paid_by=Subscription.PaidBy.STRIPE):
        told = told_of(subscription)
        theirs = at_stripe[subscription.stripe_subscription_id]
        if subscription.status != theirs["status"]:
            faults.append(f"I5: the subscription is {subscription.status}, at Stripe {theirs['status']}")
        billed = [
            each
            for each in stripe.all("invoices", subscription=subscription.stripe_subscription_id)
            if each["billing_reason"] == "subscription_cycle"
        ]
        faults += _billed(subscription, billed, told, letters)
        faults += [
            f"I6: {kind} of {month} was told {times} times" for (kind, month), times in told.items() if times > 1
        ]
        ended = sum(times for (kind, _), times in told.items() if kind == "canceled")
        written = _ends_with_a_letter(subscription, told)
        if letters["canceled", str(subscription.id)] != written or ended > (subscription.status == "canceled"):
            faults.append(f"I6: the end of a {subscription.status} subscription was told {ended} times")
    return faults


def _billed(subscription: Subscription, billed: list[Object], told: Told, letters: Told) -> Faults:
    """Each month that was paid or heard of has its invoice, and one event and letter where it was paid in time."""
    faults = []
    renewed = {month for kind, month in told if kind == "renewed"}
    for invoice in billed:
        ours = Invoice.objects.filter(stripe_invoice_id=invoice["id"]).first()
        if ours is None and invoice["status"] != "paid" and not _heard_of(invoice):
            continue
        if ours is None or ours.status != invoice["status"] or ours.amount_minor != invoice["amount_due"]:
            faults.append(f"I5: an invoice is {ours}, at Stripe {invoice['status']} over {invoice['amount_due']}")
            continue
        late = Break.objects.filter(object_id=invoice["id"], kind=Break.Kind.PAID_AFTER_RELEASE).count()
        in_time = (invoice["status"] == "paid") - late
        month = ours.period_start.isoformat()
        if (told["renewed", month], letters["renewed", str(ours.id)]) != (in_time, in_time):
            faults.append(f"I6: the month from {month} was told of {told['renewed', month]} times, not {in_time}")
        if letters["past_due", str(ours.id)] != told["past_due", month]:
            faults.append(f"I6: {letters['past_due', str(ours.id)]} letters of the unpaid month {month}")
        renewed.discard(month)
    return [*faults, *(f"I6: renewed was told of {month}, which Stripe never billed" for month in renewed)]


def _heard_of(invoice: Object) -> bool:
    return StripeEvent.objects.filter(payload__data__object__id=invoice["id"]).exists()
