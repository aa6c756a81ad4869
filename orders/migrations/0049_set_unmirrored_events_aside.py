"""Counts how often mirroring an event of Stripe has failed. One that fails too often becomes a break."""

from django.db import migrations, models

KINDS = [
    "other_currency",
    "amount_differs",
    "unknown_object",
    "paid_after_release",
    "paid_twice",
    "dispute",
    "refund_failed",
    "refund_differs",
    "credit_not_spent",
    "session_state_differs",
    "subscription_state_differs",
    "stray_session",
    "other_account",
    "stray_subscription",
    "payment_not_linked",
    "unknown_charge",
    "invoice_missing",
    "renewal_refunded",
    "refund_not_sent",
    "credit_not_returned",
    "hold_left",
    "event_not_settled",
    "event_not_mirrored",
    "invoice_not_followed",
    "subscription_changed",
    "refund_beyond_order",
    "fee_missing",
    "payout_missing",
    "payout_returned",
    "balance_differs",
    "balance_not_explained",
]


class Migration(migrations.Migration):
    dependencies = [("orders", "0048_close_undelivered")]

    operations = [
        migrations.AddField(
            "stripeevent",
            "mirror_attempts",
            models.SmallIntegerField(
                default=0,
                db_default=0,
                help_text="How often mirroring it has failed. At MAX_MIRROR_ATTEMPTS it is set aside.",
            ),
        ),
        migrations.AlterField(
            "break",
            "kind",
            models.CharField(choices=[(kind, kind.replace("_", " ").title()) for kind in KINDS], max_length=40),
        ),
    ]
