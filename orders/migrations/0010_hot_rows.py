"""As billing/0005, for what a checkout writes; the worker's jobs change state twice and are pruned."""

from django.db import migrations

THRESHOLDS = "autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000"
NAMES = "autovacuum_analyze_threshold, autovacuum_vacuum_threshold"
GROWING = (
    "orders_idempotencykey",
    "orders_order",
    "orders_orderline",
    "orders_outboxevent",
    "orders_payment",
    "procrastinate_events",
    "procrastinate_jobs",
)


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0009_keys_need_no_expiry_index"),
        ("promos", "0006_hot_rows"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        *(
            migrations.RunSQL(f"ALTER TABLE {name} SET ({THRESHOLDS})", f"ALTER TABLE {name} RESET ({NAMES})")
            for name in GROWING
        ),
        migrations.RunSQL(
            "ALTER FUNCTION orders_place_order SET enable_seqscan = off",
            "ALTER FUNCTION orders_place_order RESET enable_seqscan",
        ),
    ]
