"""What follows when a card has paid for an order: the same effects as place_order.sql's, after the payment."""

from datetime import datetime

from dateutil.relativedelta import relativedelta

from billing.models import Invoice, Organization, Subscription
from billing.models.subscription import ENDED_STATUSES
from orders.jobs import enqueue
from orders.models import Order, OrderLine, OutboxEvent
from orders.models.basket import Basket, Line
from orders.use_cases.checkout.describe_order import order_placed_data
from orders.use_cases.mail.queue_mail import Mail, queue_mail
from orders.use_cases.organizations.provision_organization import SOURCE
from orders.use_cases.subscriptions.end_subscriptions import end_subscriptions

ORDER_TOPIC = "sme.order.events"
MONTH = relativedelta(months=1)


def complete_order(*, order: Order, now: datetime) -> Subscription:
    """Completes a paid order: subscription, invoice, organization, `order.placed`, the worker's job.

    The caller holds the order's and the account's locks and has taken the credit. An earlier subscription of the
    organization ends, at Stripe by a job.

    Locks: Organization. Transaction: joins.
    """
    payment = order.payment
    organization = Organization.objects.select_for_update(no_key=True).get(id=order.organization_id)
    order.status, order.completed_at = Order.Status.COMPLETED, now
    order.save(update_fields=["status", "completed_at"])
    end_subscriptions(
        Subscription.objects.filter(organization=organization).exclude(status__in=ENDED_STATUSES), now=now
    )
    basket = basket_of(order)
    subscription = Subscription.objects.create(
        customer_id=order.customer_id,
        organization=organization,
        order_id=order.id,
        plan_id=order.plan_id,
        addon_ids=basket.addon_ids,
        amount_minor=order.total_minor,
        currency=order.currency,
        status=Subscription.Status.ACTIVE,
        paid_by=Subscription.PaidBy.STRIPE,
        stripe_subscription_id=payment.stripe_subscription_id,
        current_period_start=now,
        current_period_end=now + MONTH,
    )
    Invoice.objects.create(
        customer_id=order.customer_id,
        organization=organization,
        subscription=subscription,
        order_id=order.id,
        amount_minor=order.total_minor,
        currency=order.currency,
        status=Invoice.Status.PAID,
        stripe_invoice_id=payment.stripe_invoice_id,
        period_start=subscription.current_period_start,
        period_end=subscription.current_period_end,
    )
    organization.plan_id, organization.apps, organization.addons = order.plan_id, order.apps, order.addons
    if organization.status == Organization.Status.PENDING:
        organization.status = Organization.Status.PROVISIONING
    elif organization.status == Organization.Status.SUSPENDED:
        organization.status = Organization.Status.ACTIVE
    organization.save(update_fields=["plan_id", "apps", "addons", "status"])
    OutboxEvent.objects.create(
        type="order.placed",
        topic=ORDER_TOPIC,
        source=SOURCE,
        tenant_id=organization.id,
        order_id=order.id,
        data={
            **order_placed_data(
                basket=basket,
                user_id=order.customer.user_id,
                tenant_id=organization.id,
                subdomain=organization.slug,
                status=order.status,
            ),
            "id": str(order.id),
        },
    )
    enqueue("provision_organization", lock=f"organization:{organization.id}", order_id=str(order.id))
    queue_mail(Mail.PAYMENT_RECEIVED, order.id)
    return subscription


def basket_of(order: Order) -> Basket:
    """What the order bought, from its own lines."""
    lines = [
        Line(
            kind=OrderLine.Kind(line.kind),
            item_id=line.item_id,
            slug=line.slug,
            name=line.name,
            price_minor=line.price_minor,
        )
        for line in order.lines.order_by("position")
    ]
    return Basket(plan=lines[0], addon_lines=tuple(lines[1:]), apps=tuple(order.apps), addons=tuple(order.addons))
