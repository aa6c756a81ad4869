"""The tables of orders."""

import uuid

import django.db.models.deletion
import django.db.models.fields.json
import django.db.models.functions.datetime
import django.db.models.functions.math
import django.db.models.lookups
from django.db import migrations, models

import billing.models.keys
import orders.models.event


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0001_initial"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        migrations.CreateModel(
            name="App",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=100)),
                ("active", models.BooleanField(default=True, help_text="Offered now. Orders keep what they bought.")),
                ("tagline", models.CharField(blank=True, default="", max_length=200)),
                ("description", models.TextField(blank=True, default="")),
                ("category", models.CharField(max_length=50)),
                ("icon", models.CharField(blank=True, default="", max_length=100)),
                ("icon_bg", models.CharField(blank=True, default="", max_length=20)),
                ("free", models.BooleanField(default=True)),
                ("featured", models.BooleanField(default=False)),
                ("popular", models.BooleanField(default=False)),
                ("features", models.JSONField(blank=True, default=list)),
                ("website", models.URLField(blank=True, default="")),
                ("license", models.CharField(blank=True, default="", max_length=100)),
                ("dependencies", models.JSONField(blank=True, default=list)),
                ("system", models.BooleanField(default=False)),
                ("kind", models.CharField(default="app", max_length=20)),
                ("shareable", models.BooleanField(default=False)),
                ("deployable", models.BooleanField(default=True)),
                ("minimum_size", models.CharField(blank=True, default="", max_length=10)),
                ("recommended_size", models.CharField(blank=True, default="", max_length=10)),
                ("ram_mb", models.PositiveIntegerField(default=0)),
                ("cpu_milli", models.PositiveIntegerField(default=0)),
                ("disk_gb", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["category", "slug"],
            },
        ),
        migrations.CreateModel(
            name="Industry",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=100)),
                ("active", models.BooleanField(default=True, help_text="Offered now. Orders keep what they bought.")),
                ("emoji", models.CharField(blank=True, default="", max_length=16)),
                ("description", models.TextField(blank=True, default="")),
                ("display_order", models.IntegerField(default=0)),
                ("suggested_apps", models.JSONField(blank=True, default=list)),
                ("bundle", models.CharField(blank=True, default="", max_length=50)),
            ],
            options={
                "verbose_name_plural": "industries",
                "ordering": ["display_order", "slug"],
            },
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("plan_id", models.UUIDField()),
                ("apps", models.JSONField(default=list)),
                ("addons", models.JSONField(default=list)),
                ("total_minor", models.BigIntegerField(help_text="Before credit, smallest unit.")),
                ("credit_applied_minor", models.BigIntegerField(db_default=0, default=0)),
                ("currency", models.CharField(max_length=3)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                            ("cancelled", "Cancelled"),
                            ("refunded", "Refunded"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("purchase", "Purchase"), ("renewal", "Renewal")],
                        db_default="purchase",
                        default="purchase",
                        max_length=8,
                    ),
                ),
                (
                    "period_start",
                    models.DateTimeField(blank=True, help_text="Of the month that a renewal pays for.", null=True),
                ),
                ("promo_code_id", models.UUIDField(blank=True, null=True)),
                ("promo_code", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("placed_by", models.CharField(max_length=255)),
                ("placed_by_role", models.CharField(max_length=20)),
                ("channel", models.CharField(max_length=10)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="billing.customer",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="orders", to="billing.organization"
                    ),
                ),
                (
                    "renews",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="renewals",
                        to="billing.subscription",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AddOn",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=100)),
                ("active", models.BooleanField(default=True, help_text="Offered now. Orders keep what they bought.")),
                ("description", models.TextField(blank=True, default="")),
                ("price_minor", models.BigIntegerField(help_text="A month's price, smallest unit.")),
                ("included", models.BooleanField(default=False)),
                ("category", models.CharField(max_length=50)),
            ],
            options={
                "verbose_name": "add-on",
                "ordering": ["category", "slug"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("price_minor__gte", 0)), name="orders_addon_price_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("included", False), ("price_minor", 0), _connector="OR"),
                        name="orders_addon_included_is_free",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Break",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
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
                        ],
                        max_length=40,
                    ),
                ),
                ("object_id", models.CharField(help_text="Stripe's id, or ours.", max_length=255)),
                ("order_id", models.UUIDField(blank=True, null=True)),
                ("details", models.JSONField(default=dict)),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("closed_by", models.CharField(blank=True, db_default="", default="", max_length=255)),
            ],
            options={
                "indexes": [models.Index(fields=["-opened_at"], name="orders_break_newest")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("kind", "object_id"),
                        name="orders_break_told_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Bundle",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=100)),
                ("active", models.BooleanField(default=True, help_text="Offered now. Orders keep what they bought.")),
                ("tagline", models.CharField(blank=True, default="", max_length=200)),
                ("apps", models.JSONField(blank=True, default=list)),
                ("discount_percent", models.PositiveSmallIntegerField(default=0)),
                ("recommended_size", models.CharField(blank=True, default="", max_length=10)),
            ],
            options={
                "ordering": ["slug"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("discount_percent__lte", 100)), name="orders_bundle_discount_at_most_all"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CatalogVersion",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("version", models.UUIDField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="orders_catalogversion_one_row")
                ],
            },
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="payment",
                        serialize=False,
                        to="orders.order",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "requested: Stripe was or will be asked for a session"),
                            ("open", "open: the customer can pay"),
                            ("processing", "processing: paid by a method that takes days"),
                            ("paid", "Paid"),
                            ("expired", "Expired"),
                            ("failed", "Failed"),
                        ],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("amount_minor", models.BigIntegerField(help_text="What the first invoice charges, smallest unit.")),
                ("currency", models.CharField(max_length=3)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("leased_until", models.DateTimeField(help_text="Until then a process may still be asking Stripe.")),
                ("expires_at", models.DateTimeField(help_text="The session's end, as Stripe is asked for it.")),
                (
                    "stripe_customer_id",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Stripe's customer that the session is asked for, noted first: every try asks for the same.",
                        max_length=255,
                    ),
                ),
                ("session_id", models.CharField(blank=True, max_length=255, null=True)),
                ("session_url", models.TextField(blank=True, db_default="", default="")),
                (
                    "needs_stripe_cleanup",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Released without knowing whether Stripe has a session: it is still to be asked, and closed.",
                    ),
                ),
                ("stripe_subscription_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("stripe_invoice_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("payment_intent_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("refunded_minor", models.BigIntegerField(db_default=0, default=0)),
                ("paid_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "refusal",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="Why no session was opened, for staff.",
                        max_length=200,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OrderLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                ("kind", models.CharField(choices=[("plan", "Plan"), ("addon", "Addon")], max_length=5)),
                ("item_id", models.UUIDField()),
                ("slug", models.CharField(max_length=50)),
                ("name", models.CharField(max_length=100)),
                ("price_minor", models.BigIntegerField()),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="orders.order",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("type", models.CharField(max_length=50)),
                ("topic", models.CharField(max_length=100)),
                ("source", models.CharField(max_length=50)),
                ("tenant_id", models.UUIDField(blank=True, null=True)),
                ("order_id", models.UUIDField(blank=True, null=True)),
                (
                    "data",
                    models.JSONField(
                        decoder=orders.models.event.ExactDecoder,
                        default=dict,
                        encoder=orders.models.event.ExactEncoder,
                    ),
                ),
                ("metadata", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("delivered_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="orders_event_newest"),
                    models.Index(
                        condition=models.Q(("delivered_at__isnull", True)),
                        fields=["created_at"],
                        name="orders_event_undelivered",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("type", "order.placed"), _negated=True),
                            models.Q(("order_id__isnull", False), ("tenant_id__isnull", False)),
                            _connector="OR",
                        ),
                        name="orders_event_order_placed_names_order",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("type__in", ["tenant.created", "tenant.deleted"]), _negated=True),
                            ("tenant_id__isnull", False),
                            _connector="OR",
                        ),
                        name="orders_event_tenant_named",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("type", "order.placed")),
                        fields=("order_id",),
                        name="orders_event_order_placed_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("type__in", ["tenant.created", "tenant.deleted"])),
                        fields=("tenant_id", "type"),
                        name="orders_event_tenant_told_once",
                    ),
                    models.UniqueConstraint(
                        models.F("type"),
                        django.db.models.fields.json.KeyTextTransform("subscription_id", "data"),
                        django.db.models.fields.json.KeyTextTransform("period_start", "data"),
                        condition=models.Q(
                            ("type__in", ("subscription.renewed", "subscription.past_due", "subscription.canceled"))
                        ),
                        name="orders_event_subscription_told_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=100)),
                ("active", models.BooleanField(default=True, help_text="Offered now. Orders keep what they bought.")),
                ("description", models.TextField(blank=True, default="")),
                ("cpu", models.CharField(max_length=50)),
                ("memory", models.CharField(max_length=50)),
                ("storage", models.CharField(max_length=50)),
                ("price_minor", models.BigIntegerField(help_text="A month's price, smallest unit.")),
                ("popular", models.BooleanField(default=False)),
                ("sort_order", models.IntegerField(default=0)),
                ("features", models.JSONField(blank=True, default=list)),
                ("stripe_price_id", models.CharField(blank=True, default="", max_length=255)),
            ],
            options={
                "ordering": ["sort_order", "slug"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("price_minor__gte", 0)), name="orders_plan_price_not_negative"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StripeEvent",
            fields=[
                ("id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=100)),
                ("payload", models.JSONField()),
                ("occurred_at", models.DateTimeField(help_text="Stripe's own time of the event.")),
                ("received_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.CharField(blank=True, db_default="", default="", max_length=60)),
                ("mirrored_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=["received_at"],
                        name="orders_stripeevent_unsettled",
                    ),
                    models.Index(fields=["-received_at"], name="orders_stripeevent_newest"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("amount_minor", models.BigIntegerField()),
                ("reason", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("requested", "Requested"), ("done", "Done"), ("failed", "Failed")],
                        default="requested",
                        max_length=10,
                    ),
                ),
                ("stripe_refund_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("requested_by", models.CharField(max_length=255)),
                ("requested_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="orders.payment"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("status", "requested"), ("needs_stripe_cleanup", True), _connector="OR"),
                fields=["leased_until"],
                name="orders_payment_unanswered",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("status__in", ["open", "processing"])),
                fields=["expires_at"],
                name="orders_payment_open",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("payment_intent_id", ""), _negated=True),
                fields=["payment_intent_id"],
                name="orders_payment_intent",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["requested", "open", "processing", "paid", "expired", "failed"])),
                name="orders_payment_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="orders_payment_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("currency__in", ["BHD", "JOD", "KWD", "OMR", "TND"]), _negated=True),
                        django.db.models.lookups.Exact(
                            django.db.models.functions.math.Mod(models.F("amount_minor"), models.Value(10)),
                            models.Value(0),
                        ),
                        _connector="OR",
                    )
                ),
                name="orders_payment_amount_chargeable",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("refunded_minor__gte", 0), ("refunded_minor__lte", models.F("amount_minor"))),
                name="orders_payment_refund_within_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(fields=("session_id",), name="orders_payment_session_once"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["open", "processing"]), _negated=True),
                    ("session_id__isnull", False),
                    _connector="OR",
                ),
                name="orders_payment_open_has_session",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at__isnull", False), ("status", "paid")),
                    models.Q(models.Q(("status", "paid"), _negated=True), ("paid_at__isnull", True)),
                    _connector="OR",
                ),
                name="orders_payment_paid_at_fits",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["-created_at", "-id"], name="orders_order_newest"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["customer", "-created_at"], name="orders_order_of_customer"),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "pending")),
                fields=("organization",),
                name="orders_order_one_open_per_organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("pending", "completed", "refunded"))),
                fields=("renews", "period_start"),
                name="orders_order_one_renewal_a_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["pending", "completed", "failed", "expired", "cancelled", "refunded"])
                ),
                name="orders_order_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("total_minor__gte", 0)), name="orders_order_total_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("credit_applied_minor__gte", 0), ("credit_applied_minor__lte", models.F("total_minor"))
                ),
                name="orders_order_credit_within_total",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("completed_at__isnull", False), ("status__in", ["completed", "refunded"])),
                    models.Q(
                        models.Q(("status__in", ["completed", "refunded"]), _negated=True),
                        ("completed_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="orders_order_completed_at_fits",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("promo_code", ""), ("promo_code_id__isnull", True)),
                    models.Q(("promo_code_id__isnull", False), models.Q(("promo_code", ""), _negated=True)),
                    _connector="OR",
                ),
                name="orders_order_promo_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "purchase"), ("period_start__isnull", True), ("renews__isnull", True)),
                    models.Q(("kind", "renewal"), ("period_start__isnull", False), ("renews__isnull", False)),
                    _connector="OR",
                ),
                name="orders_order_renewal_names_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.UniqueConstraint(fields=("order", "position"), name="orders_orderline_position_once"),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["plan", "addon"])), name="orders_orderline_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="orderline",
            constraint=models.CheckConstraint(
                condition=models.Q(("price_minor__gte", 0)), name="orders_orderline_price_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="orders_refund_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["requested", "done", "failed"])), name="orders_refund_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "requested")), fields=("payment",), name="orders_refund_one_under_way"
            ),
        ),
    ]
