"""Redemptions are vacuumed after every ten thousand new ones, however many there are.

An uncapped code's are counted in their index (queries.py), which spares the rows only where a vacuum has seen them. By
default it comes after a fifth of the table: the larger that is, the later.
"""

from django.db import migrations

INSERTED = "autovacuum_vacuum_insert_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0"
NAMES = "autovacuum_vacuum_insert_threshold, autovacuum_vacuum_insert_scale_factor"


class Migration(migrations.Migration):
    dependencies = [("promos", "0013_references_once_a_statement")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE promos_redemption SET ({INSERTED})", f"ALTER TABLE promos_redemption RESET ({NAMES})"
        )
    ]
