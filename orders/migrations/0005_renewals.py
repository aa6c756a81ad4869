from pathlib import Path

import django.db.models.deletion
import django.db.models.fields.json
from django.db import migrations, models

import orders.models.event

_PLACE_ORDER = Path(__file__).parents[1] / "use_cases" / "place_order.sql"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_renewals"),
        ("orders", "0004_place_order_minds_open_payments"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="kind",
            field=models.CharField(
                choices=[("purchase", "Purchase"), ("renewal", "Renewal")],
                db_default="purchase",
                default="purchase",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="period_start",
            field=models.DateTimeField(blank=True, help_text="Of the month that a renewal pays for.", null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="renews",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="renewals",
                to="billing.subscription",
            ),
        ),
        migrations.AlterField(
            model_name="outboxevent",
            name="data",
            field=models.JSONField(
                decoder=orders.models.event.ExactDecoder, default=dict, encoder=orders.models.event.ExactEncoder
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "purchase"), ("period_start__isnull", True), ("renews__isnull", True)),
                    models.Q(("kind", "renewal"), ("period_start__isnull", False), ("renews__isnull", False)),
                    _connector="OR",
                ),
                name="orders_order_renewal_names_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("pending", "completed", "refunded"))),
                fields=("renews", "period_start"),
                name="orders_order_one_renewal_a_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="outboxevent",
            constraint=models.UniqueConstraint(
                models.F("type"),
                django.db.models.fields.json.KeyTextTransform("subscription_id", "data"),
                django.db.models.fields.json.KeyTextTransform("period_start", "data"),
                condition=models.Q(
                    ("type__in", ("subscription.renewed", "subscription.past_due", "subscription.canceled"))
                ),
                name="orders_event_subscription_told_once",
            ),
        ),
        # A new basket voids the unpaid month of the old one, and brings a suspended organization back.
        migrations.RunSQL([_PLACE_ORDER.read_text()], migrations.RunSQL.noop),
    ]
