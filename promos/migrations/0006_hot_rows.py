"""As billing/0005, for what a redemption writes."""

from django.db import migrations

THRESHOLDS = "autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000"
NAMES = "autovacuum_analyze_threshold, autovacuum_vacuum_threshold"
FUNCTIONS = ("promos_redeem_code", "promos_claim_place", "promos_return_place", "promos_check_redemption")


class Migration(migrations.Migration):
    dependencies = [("promos", "0005_redeem_for_many"), ("billing", "0010_hot_rows")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE promos_redemption SET ({THRESHOLDS})", f"ALTER TABLE promos_redemption RESET ({NAMES})"
        ),
        *(
            migrations.RunSQL(
                f"ALTER FUNCTION {name} SET enable_seqscan = off", f"ALTER FUNCTION {name} RESET enable_seqscan"
            )
            for name in FUNCTIONS
        ),
    ]
