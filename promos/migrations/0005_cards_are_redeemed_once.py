"""A redemption names its card. A card has one live redemption, and a customer may redeem several cards of a batch."""

from django.db import migrations, models

LIVE = ("reserved", "confirmed")
# The functions of the last release name the index that goes. Their processes run on until the new functions are there.
NAME_NO_INDEX = """
DO $$
DECLARE
  old record;
BEGIN
  FOR old IN SELECT pg_get_functiondef(oid) AS text FROM pg_proc
              WHERE pronamespace = 'public'::regnamespace AND proname = 'promos_write_redemptions' LOOP
    EXECUTE regexp_replace(old.text, 'ON CONFLICT \\(promo_code_id, customer_id\\) WHERE [^)]*\\) DO NOTHING',
                           'ON CONFLICT DO NOTHING');
  END LOOP;
END $$
"""


class Migration(migrations.Migration):
    # The indexes are built while redemptions go on.
    atomic = False

    dependencies = [("promos", "0004_staff_manage_campaigns")]

    operations = [
        migrations.AddField(
            model_name="redemption",
            name="card_serial",
            field=models.BigIntegerField(blank=True, help_text="The card, where the code is a batch's.", null=True),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY promos_redemption_once_per_card ON promos_redemption (card_serial)"
                    " WHERE card_serial IS NOT NULL AND status IN ('reserved', 'confirmed')",
                    "DROP INDEX promos_redemption_once_per_card",
                ),
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY promos_redemption_once_per_customer_new"
                    " ON promos_redemption (promo_code_id, customer_id)"
                    " WHERE card_serial IS NULL AND status IN ('reserved', 'confirmed')",
                    "DROP INDEX promos_redemption_once_per_customer_new",
                ),
                migrations.RunSQL(NAME_NO_INDEX, migrations.RunSQL.noop),
                migrations.RunSQL(
                    "DROP INDEX promos_redemption_once_per_customer",
                    "CREATE UNIQUE INDEX promos_redemption_once_per_customer"
                    " ON promos_redemption (promo_code_id, customer_id) WHERE status IN ('reserved', 'confirmed')",
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
                        condition=models.Q(status__in=LIVE, card_serial__isnull=True),
                        name="promos_redemption_once_per_customer",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="redemption",
                    constraint=models.UniqueConstraint(
                        fields=["card_serial"],
                        condition=models.Q(status__in=LIVE, card_serial__isnull=False),
                        name="promos_redemption_once_per_card",
                    ),
                ),
            ],
        ),
    ]
