"""Names the break of a refund at Stripe beyond its order. The column itself does not change."""

from django.db import migrations, models

KINDS = [
    ("other_currency", "Other Currency"),
    ("amount_differs", "Amount Differs"),
    ("unknown_object", "Unknown Object"),
    ("paid_after_release", "Paid After Release"),
    ("paid_twice", "Paid Twice"),
    ("dispute", "Dispute"),
    ("refund_failed", "Refund Failed"),
    ("refund_differs", "Refund Differs"),
    ("credit_not_spent", "Credit Not Spent"),
    ("session_state_differs", "Session State Differs"),
    ("subscription_state_differs", "Subscription State Differs"),
    ("stray_session", "Stray Session"),
    ("other_account", "Other Account"),
    ("stray_subscription", "Stray Subscription"),
    ("payment_not_linked", "Payment Not Linked"),
    ("unknown_charge", "Unknown Charge"),
    ("invoice_missing", "Invoice Missing"),
    ("renewal_refunded", "Renewal Refunded"),
    ("refund_not_sent", "Refund Not Sent"),
    ("credit_not_returned", "Credit Not Returned"),
    ("hold_left", "Hold Left"),
    ("event_not_settled", "Event Not Settled"),
    ("invoice_not_followed", "Invoice Not Followed"),
    ("subscription_changed", "Subscription Changed"),
    ("refund_beyond_order", "Refund Beyond Order"),
]


class Migration(migrations.Migration):
    dependencies = [("orders", "0014_provisions_by_time")]

    operations = [
        migrations.AlterField(
            model_name="break",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=40),
        ),
    ]
