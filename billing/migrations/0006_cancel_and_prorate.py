"""Subscriptions that end with their period, and one credit of the unused month a subscription.

The index is built while the service writes.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0005_submit_forms_once")]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="cancel_at_period_end",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its owner cancelled it: it ends with the current period.",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="cancel_to_send",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Stripe has yet to learn whether it ends with the period.",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS billing_ledgerentry_one_proration_a_subscription"
                    " ON billing_ledgerentry (reason) WHERE kind = 'grant' AND reason LIKE 'proration:%'",
                    "DROP INDEX CONCURRENTLY IF EXISTS billing_ledgerentry_one_proration_a_subscription",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="ledgerentry",
                    constraint=models.UniqueConstraint(
                        fields=["reason"],
                        condition=Q(kind="grant", reason__startswith="proration:"),
                        name="billing_ledgerentry_one_proration_a_subscription",
                    ),
                )
            ],
        ),
    ]
