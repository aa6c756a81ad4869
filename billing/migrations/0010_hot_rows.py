"""How the tables that every redemption writes are kept, and by which plans.

- An account is updated by each of its entries: pages keep room, so that the new version stands beside the old one and
  no index is written (HOT).
- A table's first statistics come when it has a thousand rows. Gathered of twenty, they make sessions plan to read it
  from end to end, and keep that plan while a rush fills it; without any, PostgreSQL assumes a table worth an index.
- What a session has planned inside functions lasts as long as the session, so there a table is never read from end
  to end, however small it was that day.
"""

from django.db import migrations

THRESHOLDS = "autovacuum_analyze_threshold = 1000, autovacuum_vacuum_threshold = 1000"
NAMES = "autovacuum_analyze_threshold, autovacuum_vacuum_threshold"
GROWING = ("customer", "hold", "invoice", "ledgerentry", "organization", "subscription")


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_grants_to_many")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE billing_account SET (fillfactor = 80, {THRESHOLDS})",
            f"ALTER TABLE billing_account RESET (fillfactor, {NAMES})",
        ),
        *(
            migrations.RunSQL(
                f"ALTER TABLE billing_{name} SET ({THRESHOLDS})", f"ALTER TABLE billing_{name} RESET ({NAMES})"
            )
            for name in GROWING
        ),
        *(
            migrations.RunSQL(
                f"ALTER FUNCTION {name} SET enable_seqscan = off", f"ALTER FUNCTION {name} RESET enable_seqscan"
            )
            for name in ("billing_post_entry", "billing_apply_hold")
        ),
    ]
