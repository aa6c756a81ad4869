"""A redemption numbers the further uses of a voucher that a customer redeems several times."""

from django.db import migrations, models

LIVE = ("reserved", "confirmed")


class Migration(migrations.Migration):
    # The indexes are built while redemptions go on.
    atomic = False

    dependencies = [("promos", "0024_use_figures")]

    operations = [
        migrations.AddField(
            model_name="redemption",
            name="use_number",
            field=models.IntegerField(
                blank=True,
                help_text="Of a repeatable voucher: which live use of the customer it is, from the second.",
                null=True,
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY promos_redemption_once_per_use"
                    " ON promos_redemption (promo_code_id, customer_id, use_number)"
                    " WHERE use_number IS NOT NULL AND status IN ('reserved', 'confirmed')",
                    "DROP INDEX promos_redemption_once_per_use",
                ),
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY promos_redemption_once_per_customer_new"
                    " ON promos_redemption (promo_code_id, customer_id)"
                    " WHERE card_serial IS NULL AND use_number IS NULL AND status IN ('reserved', 'confirmed')",
                    "DROP INDEX promos_redemption_once_per_customer_new",
                ),
                migrations.RunSQL(
                    "DROP INDEX promos_redemption_once_per_customer",
                    "CREATE UNIQUE INDEX promos_redemption_once_per_customer"
                    " ON promos_redemption (promo_code_id, customer_id)"
                    " WHERE card_serial IS NULL AND status IN ('reserved', 'confirmed')",
                ),
                migrations.RunSQL(
                    "ALTER INDEX promos_redemption_once_per_customer_new RENAME TO promos_redemption_once_per_customer",
                    "ALTER INDEX promos_redemption_once_per_customer RENAME TO promos_redemption_once_per_customer_new",
                ),
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="redemption", name="promos_redemption_once_per_customer"),
                migrations.AddConstraint(
                    model_name="redemption",
                    constraint=models.UniqueConstraint(
                        fields=["promo_code", "customer"],
                        condition=models.Q(status__in=LIVE, card_serial__isnull=True, use_number__isnull=True),
                        name="promos_redemption_once_per_customer",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="redemption",
                    constraint=models.UniqueConstraint(
                        fields=["promo_code", "customer", "use_number"],
                        condition=models.Q(status__in=LIVE, use_number__isnull=False),
                        name="promos_redemption_once_per_use",
                    ),
                ),
            ],
        ),
    ]
