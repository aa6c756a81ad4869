"""Rules of busy tables move from CHECKs into triggers, under the same names (rules.sql); the new come first."""

from pathlib import Path

from django.db import migrations

_APP = Path(__file__).parents[1]

REVERSE = """
DROP TRIGGER billing_organization_keeps_rules ON billing_organization;
DROP FUNCTION billing_organization_rules();
DROP TRIGGER billing_subscription_keeps_rules ON billing_subscription;
DROP FUNCTION billing_subscription_rules();
DROP TRIGGER billing_invoice_keeps_rules ON billing_invoice;
DROP FUNCTION billing_invoice_rules();
DROP FUNCTION billing_break_rule(text);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_staff_see_stripe")]

    operations = [
        migrations.RunSQL((_APP / "models/rules.sql").read_text(), REVERSE),
        migrations.RemoveConstraint("ledgerentry", "billing_ledgerentry_sign_fits_kind"),
        migrations.RemoveConstraint("ledgerentry", "billing_ledgerentry_reversal_names_entry"),
        migrations.RemoveConstraint("ledgerentry", "billing_ledgerentry_spend_names_order"),
        migrations.RemoveConstraint("ledgerentry", "billing_ledgerentry_correction_says_why"),
        migrations.RemoveConstraint("ledgerentry", "billing_ledgerentry_reason_given"),
        migrations.RemoveConstraint("ledgerentry", "billing_ledgerentry_actor_given"),
        migrations.RemoveConstraint("organization", "billing_organization_slug_form"),
        migrations.RemoveConstraint("organization", "billing_organization_status_known"),
        migrations.RemoveConstraint("organization", "billing_organization_deleted_at_fits"),
        migrations.RemoveConstraint("subscription", "billing_subscription_status_known"),
        migrations.RemoveConstraint("subscription", "billing_subscription_paid_by_known"),
        migrations.RemoveConstraint("subscription", "billing_subscription_period_forward"),
        migrations.RemoveConstraint("subscription", "billing_subscription_amount_not_negative"),
        migrations.RemoveConstraint("subscription", "billing_subscription_canceled_at_given"),
        migrations.RemoveConstraint("subscription", "billing_subscription_past_due_since_given"),
        migrations.RemoveConstraint("subscription", "billing_subscription_active_is_not_past_due"),
        migrations.RemoveConstraint("invoice", "billing_invoice_status_known"),
        migrations.RemoveConstraint("invoice", "billing_invoice_amount_not_negative"),
        migrations.RemoveConstraint("invoice", "billing_invoice_period_forward"),
    ]
