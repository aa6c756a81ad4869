"""Check the months of subscriptions at rest: periods, invoices, events and mails. See consistency_at_rest.py."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from procrastinate.contrib.django.models import ProcrastinateJob

from billing.models import AuditEntry, Invoice, Organization, Subscription
from billing.models.organizations.subscription import ENDED_STATUSES
from orders.models import Break, Order, OutboxEvent, StripeEvent
from orders.models.period import next_period
from orders.use_cases.subscriptions.suspend_unpaid import OWNER_CANCELLED
from tests.payments.stripe_server import Object, Stripe

Discrepancies = list[str]
Period = tuple[datetime, datetime]
# How often each event (kind, month) was announced, or each mail (kind, subject) was queued.
Counts = Counter[tuple[str, str]]

IN_EFFECT = (Order.Status.COMPLETED, Order.Status.REFUNDED)


def find_renewal_disagreements() -> Discrepancies:
    """Return every discrepancy of subscriptions that credit pays, and of suspended organizations."""
    mails = count_queued_mails()
    discrepancies = []
    for subscription in Subscription.objects.filter(paid_by=Subscription.PaidBy.CREDIT):
        announced = count_announcements(subscription)
        periods, found = _periods(subscription)
        discrepancies += found
        discrepancies += _invoices(subscription, periods)
        discrepancies += _events(subscription, periods, announced)
        discrepancies += _mails(subscription, announced, mails)
    for organization in Organization.objects.all():
        discrepancies += _suspended(organization)
    return discrepancies


def count_queued_mails() -> Counts:
    """Count every mail that was ever queued, sent or not."""
    jobs = ProcrastinateJob.objects.filter(task_name="send_mail").values_list("args", flat=True)
    return Counter((args["mail"], args["subject_id"]) for args in jobs)


def count_announcements(subscription: Subscription) -> Counts:
    """Count the events of a subscription by kind and by the month that they are about."""
    events = OutboxEvent.objects.filter(type__startswith="subscription.", data__subscription_id=str(subscription.id))
    return Counter((event.type.removeprefix("subscription."), _month_of(event)) for event in events)


def _month_of(event: OutboxEvent) -> str:
    return datetime.fromisoformat(event.data["period_start"]).isoformat()


def _periods(subscription: Subscription) -> tuple[dict[Period, UUID], Discrepancies]:
    """Return the paid months with their orders, which must follow each other and end with the current period."""
    first = Order.objects.get(id=subscription.order_id)
    assert first.completed_at is not None
    renewals = list(
        Order.objects.filter(renews=subscription, status__in=IN_EFFECT).order_by("period_start").select_related(None)
    )
    month = next_period(anchor=first.completed_at, end=first.completed_at)
    paid = {month: first.id}
    discrepancies = []
    for order in renewals:
        month = next_period(anchor=first.completed_at, end=month[1])
        paid[month] = order.id
        if order.period_start != month[0]:
            discrepancies.append(f"once: order {order.id} renews {order.period_start}, but {month[0]} was due")
    current = (subscription.current_period_start, subscription.current_period_end)
    if current != month:
        discrepancies.append(
            f"once: {len(paid)} months are paid, until {month[1]}; the subscription runs until {current[1]}"
        )
    return paid, discrepancies


def _invoices(subscription: Subscription, paid: dict[Period, UUID]) -> Discrepancies:
    """Each paid month has one paid invoice; the due month's invoice is open, or void after the end."""
    discrepancies = []
    invoices = {
        (each.period_start, each.period_end): each for each in Invoice.objects.filter(subscription=subscription)
    }
    if len(invoices) != Invoice.objects.filter(subscription=subscription).count():
        discrepancies.append("once: a month has two invoices")
    for month, order_id in paid.items():
        invoice = invoices.pop(month, None)
        if invoice is None or (invoice.status, invoice.order_id) != (Invoice.Status.PAID, order_id):
            discrepancies.append(f"once: the month from {month[0]} is paid by {order_id}, its invoice is {invoice}")
        elif invoice.amount_minor != subscription.amount_minor:
            discrepancies.append(f"charge: the invoice of {month[0]} is over {invoice.amount_minor}")
    due = [(month[0], each.status) for month, each in invoices.items()]
    expected = {Subscription.Status.PAST_DUE: Invoice.Status.OPEN, Subscription.Status.CANCELED: Invoice.Status.VOID}
    wanted = [(subscription.current_period_end, expected.get(Subscription.Status(subscription.status)))]
    if due != wanted and (due or subscription.status == Subscription.Status.PAST_DUE):
        discrepancies.append(f"once: a {subscription.status} subscription has unpaid invoices {due}")
    return discrepancies


def _events(subscription: Subscription, paid: dict[Period, UUID], announced: Counts) -> Discrepancies:
    """Each renewed month and each unpaid month is announced once, and the end at most once."""
    discrepancies = [
        f"announced once: {kind} of {month} was announced {times} times"
        for (kind, month), times in announced.items()
        if times > 1
    ]
    renewed = {month for kind, month in announced if kind == "renewed"}
    months = {start.isoformat() for start, _ in list(paid)[1:]}
    if renewed != months:
        discrepancies.append(
            f"announced once: renewed was announced for {sorted(renewed)}, paid are {sorted(months)}"
        )
    due = ("past_due", subscription.current_period_end.isoformat())
    ended = {month for kind, month in announced if kind == "canceled"}
    if was_refunded(subscription):
        last = {subscription.current_period_start.isoformat()}
        return (
            discrepancies
            if ended == last
            else [*discrepancies, f"announced once: the end of {last} was announced for {ended}"]
        )
    if was_cancelled_by_owner(subscription):
        # The last paid month, or the one that is due and was never asked for.
        lasts = ({subscription.current_period_start.isoformat()}, {due[1]})
        return (
            discrepancies
            if ended in lasts
            else [*discrepancies, f"announced once: the end of one of {lasts} was announced for {ended}"]
        )
    if subscription.status == Subscription.Status.PAST_DUE and due not in announced:
        discrepancies.append("announced once: the unpaid month was not announced")
    if ended and (subscription.status != Subscription.Status.CANCELED or ended != {due[1]} or due not in announced):
        discrepancies.append(
            f"announced once: canceled was announced for {ended}, the subscription is {subscription.status}"
        )
    return discrepancies


def _mails(subscription: Subscription, announced: Counts, mails: Counts) -> Discrepancies:
    """Each event has one mail; an unpaid month has one more for each further payment session."""
    expected: Counts = Counter()
    for invoice in Invoice.objects.filter(subscription=subscription):
        month = invoice.period_start.isoformat()
        subject = str(invoice.id)
        expected["renewed", subject] = announced["renewed", month]
        if ("past_due", month) in announced:
            expected["past_due", subject] = _count_reminders(subscription, invoice.period_start)
    expected["canceled", str(subscription.id)] = _count_end_mails(subscription, announced)
    return [
        f"announced once: {mails[mail]} {mail[0]} mails were queued, {number} are right"
        for mail, number in expected.items()
        if mails[mail] != number
    ]


def _count_end_mails(subscription: Subscription, announced: Counts) -> int:
    ended = sum(times for (kind, _), times in announced.items() if kind == "canceled")
    # The mail of the refund announces the end as well.
    return 0 if was_refunded(subscription) else ended


def was_cancelled_by_owner(subscription: Subscription) -> bool:
    """Returns whether its owner ended the subscription here."""
    ends = AuditEntry.objects.filter(action="subscription.canceled", object_id=str(subscription.id))
    return ends.filter(reason=OWNER_CANCELLED).exists()


def was_refunded(subscription: Subscription) -> bool:
    """Returns whether a refund ended the subscription."""
    ends = AuditEntry.objects.filter(action="subscription.canceled", object_id=str(subscription.id))
    return ends.filter(reason__startswith="refunded: ").exists()


def _count_reminders(subscription: Subscription, month: datetime) -> int:
    """Count the mails due for an unpaid month: one a session, and one without a link if none was made at once."""
    found = Order.objects.filter(renews=subscription, period_start=month, payment__isnull=False)
    orders = list(found.order_by("created_at").select_related("payment"))
    links = [bool(order.payment.session_url) for order in orders]
    return sum(links) + (not links or not links[0] or not _was_requested_at_once(orders[0]))


def _was_requested_at_once(order: Order) -> bool:
    """Return whether the month's first payment was requested when the month became past due.

    Only another checkout delays it. Without one the times are not compared: tests move the clock of renewals ahead.
    """
    assert order.period_start is not None
    announcement = OutboxEvent.objects.get(
        type="subscription.past_due",
        data__subscription_id=str(order.renews_id),
        data__period_start=order.period_start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    )
    checkouts = Order.objects.filter(
        organization_id=order.organization_id, kind=Order.Kind.PURCHASE, payment__isnull=False
    )
    return order.created_at <= announcement.created_at or not checkouts.exists()


def _suspended(organization: Organization) -> Discrepancies:
    """An organization is suspended exactly if staff did it, or its newest subscription ended unpaid or refunded."""
    subscriptions = Subscription.objects.filter(organization=organization).order_by("created_at")
    live = [each for each in subscriptions if each.status not in ENDED_STATUSES]
    newest = subscriptions.last()
    unpaid = newest is not None and any(kind == "canceled" for kind, _ in count_announcements(newest))
    is_suspended = organization.status == Organization.Status.SUSPENDED and not organization.suspended_by_staff
    if is_suspended and (live or not unpaid):
        return [f"all or nothing: {organization} is suspended with {live or 'a subscription that was not canceled'}"]
    if organization.status == Organization.Status.ACTIVE and unpaid and not live:
        return [f"all or nothing: {organization} is active without a paid subscription"]
    return []


def find_card_renewal_disagreements(stripe: Stripe) -> Discrepancies:
    """Return every discrepancy of subscriptions that Stripe charges."""
    mails = count_queued_mails()
    discrepancies = []
    at_stripe = {each["id"]: each for each in stripe.subscriptions()}
    for subscription in Subscription.objects.filter(paid_by=Subscription.PaidBy.STRIPE):
        announced = count_announcements(subscription)
        stripe_subscription = at_stripe[subscription.stripe_subscription_id]
        if subscription.status != stripe_subscription["status"]:
            discrepancies.append(
                f"once: the subscription is {subscription.status}, at Stripe {stripe_subscription['status']}"
            )
        billed = [
            each
            for each in stripe.all("invoices", subscription=subscription.stripe_subscription_id)
            if each["billing_reason"] == "subscription_cycle"
        ]
        discrepancies += _billed(subscription, billed, announced, mails)
        discrepancies += [
            f"announced once: {kind} of {month} was announced {times} times"
            for (kind, month), times in announced.items()
            if times > 1
        ]
        ended = sum(times for (kind, _), times in announced.items() if kind == "canceled")
        mails_due = _count_end_mails(subscription, announced)
        if mails["canceled", str(subscription.id)] != mails_due or ended > (subscription.status == "canceled"):
            discrepancies.append(
                f"announced once: the end of a {subscription.status} subscription was announced {ended} times"
            )
    return discrepancies


def _billed(subscription: Subscription, billed: list[Object], announced: Counts, mails: Counts) -> Discrepancies:
    """Each month that was paid or reported has its invoice; a month paid in time has one event and one mail."""
    discrepancies = []
    renewed = {month for kind, month in announced if kind == "renewed"}
    for invoice in billed:
        invoice_here = Invoice.objects.filter(stripe_invoice_id=invoice["id"]).first()
        if invoice_here is None and invoice["status"] != "paid" and not _was_reported(invoice):
            continue
        if (
            invoice_here is None
            or invoice_here.status != invoice["status"]
            or invoice_here.amount_minor != invoice["amount_due"]
        ):
            discrepancies.append(
                f"once: an invoice is {invoice_here}, at Stripe {invoice['status']} over {invoice['amount_due']}"
            )
            continue
        paid_late = Break.objects.filter(object_id=invoice["id"], kind=Break.Kind.PAID_AFTER_RELEASE).count()
        in_time = (invoice["status"] == "paid") - paid_late
        month = invoice_here.period_start.isoformat()
        if (announced["renewed", month], mails["renewed", str(invoice_here.id)]) != (in_time, in_time):
            discrepancies.append(
                f"announced once: the month {month} was announced {announced['renewed', month]} times, not {in_time}"
            )
        if mails["past_due", str(invoice_here.id)] != announced["past_due", month]:
            discrepancies.append(
                f"announced once: {mails['past_due', str(invoice_here.id)]} mails of the unpaid month {month}"
            )
        renewed.discard(month)
    return [
        *discrepancies,
        *(f"announced once: renewed was announced for {month}, which Stripe never billed" for month in renewed),
    ]


def _was_reported(invoice: Object) -> bool:
    return StripeEvent.objects.filter(payload__data__object__id=invoice["id"]).exists()
