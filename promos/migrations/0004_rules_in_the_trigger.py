"""The rules of a redemption move from CHECKs into its trigger, under the same names; the new come first."""

from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]


class Migration(migrations.Migration):
    dependencies = [("promos", "0003_redeem_in_one_round_trip"), ("billing", "0005_rules_in_triggers")]

    operations = [
        migrations.RunSQL((_APP / "models/promos.sql").read_text(), migrations.RunSQL.noop),
        migrations.RemoveConstraint("redemption", "promos_redemption_status_known"),
        migrations.RemoveConstraint("redemption", "promos_redemption_credit_positive"),
        migrations.RemoveConstraint("redemption", "promos_redemption_confirmed_at_fits"),
        migrations.RemoveConstraint("redemption", "promos_redemption_release_says_why"),
    ]
