"""Finds events by type and organization, orders by rare states, payments by Stripe's ids."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0044_orders_of_code_index")]

    operations = [
        AddIndexConcurrently(
            model_name="outboxevent",
            index=models.Index(
                fields=["type", "-id"], condition=~Q(type="order.placed"), name="orders_event_of_type"
            ),
        ),
        AddIndexConcurrently(
            model_name="outboxevent",
            index=models.Index(
                fields=["tenant_id"], condition=~Q(type="order.placed"), name="orders_event_of_tenant"
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["status", "-id"], condition=~Q(status__in=["pending", "completed"]), name="orders_order_rare"
            ),
        ),
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(
                fields=["stripe_subscription_id"],
                condition=~Q(stripe_subscription_id=""),
                name="orders_payment_of_subscription",
            ),
        ),
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(
                fields=["stripe_invoice_id"], condition=~Q(stripe_invoice_id=""), name="orders_payment_of_invoice"
            ),
        ),
    ]
