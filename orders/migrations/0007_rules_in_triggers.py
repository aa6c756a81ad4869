"""Rules of busy tables move from CHECKs into triggers, under the same names (rules.sql); the new come first."""

from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]

REVERSE = """
DROP TRIGGER orders_order_keeps_rules ON orders_order;
DROP FUNCTION orders_order_rules();
DROP TRIGGER orders_outboxevent_keeps_rules ON orders_outboxevent;
DROP FUNCTION orders_outboxevent_rules();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_breaks_of_more_kinds"), ("billing", "0005_rules_in_triggers")]

    operations = [
        migrations.RunSQL((_APP / "models/rules.sql").read_text(), REVERSE),
        migrations.RemoveConstraint("order", "orders_order_status_known"),
        migrations.RemoveConstraint("order", "orders_order_total_not_negative"),
        migrations.RemoveConstraint("order", "orders_order_credit_within_total"),
        migrations.RemoveConstraint("order", "orders_order_completed_at_fits"),
        migrations.RemoveConstraint("order", "orders_order_promo_whole"),
        migrations.RemoveConstraint("order", "orders_order_renewal_names_period"),
        migrations.RemoveConstraint("outboxevent", "orders_event_order_placed_names_order"),
        migrations.RemoveConstraint("outboxevent", "orders_event_tenant_named"),
    ]
