"""Lets the console's lists of Stripe's objects begin with the newest, without sorting the table."""

from django.db import migrations

TABLES = (
    "charge",
    "customer",
    "dispute",
    "event",
    "invoice",
    "paymentintent",
    "refund",
    "session",
    "subscription",
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("djstripe", "0002_keys_stay_out")]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS djstripe_{table}_newest"
            f" ON djstripe_{table} (created DESC NULLS LAST, djstripe_id DESC)",
            f"DROP INDEX CONCURRENTLY IF EXISTS djstripe_{table}_newest",
        )
        for table in TABLES
    ]
