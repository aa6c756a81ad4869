"""The tables of billing, and the groups of staff with what each may do.

A group's name is its role's (`billing.actor`). Django makes permissions after all migrations have run, so the rows that
are needed here are made here, as Django would make them; it finds them then. They name models of every app, by label.
"""

import django.contrib.auth.models
import django.contrib.auth.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.db import migrations, models

import billing.models.customer
import billing.models.keys

SUPERADMIN, SOVEREIGN_ADMIN, AUDITOR = "superadmin", "sovereign-admin", "auditor"

# App → model → the name that people read.
RECORDS = {
    "billing": {
        "auditentry": "audit entry",
        "customer": "customer",
        "hold": "hold",
        "invoice": "invoice",
        "ledgerentry": "ledger entry",
        "organization": "organization",
        "subscription": "subscription",
    },
    "promos": {"promocode": "promo code", "redemption": "redemption"},
    "orders": {
        "order": "order",
        "outboxevent": "outbox event",
        "payment": "payment",
        "refund": "refund",
        "stripeevent": "stripe event",
        "break": "break",
    },
    "procrastinate": {"procrastinatejob": "procrastinate job"},
    "djstripe": {
        "charge": "charge",
        "customer": "customer",
        "dispute": "dispute",
        "event": "event",
        "invoice": "invoice",
        "paymentintent": "payment intent",
        "refund": "refund",
        "session": "session",
        "subscription": "subscription",
    },
}
CATALOG = {"orders": {"plan": "plan", "addon": "add-on", "app": "app", "industry": "industry", "bundle": "bundle"}}
CODES = {"promos": {"promocode": "promo code"}}
# A correction of a balance is a ledger entry; one is never changed.
CORRECTIONS = {"billing": {"ledgerentry": "ledger entry"}}
USERS = {"billing": {"user": "user"}}
KEYS = {"billing": {"processorsettings": "processor settings"}}
REFUNDS = {"orders": {"refund": "refund"}}
BREAKS = {"orders": {"break": "break"}}

GRANTS = {
    SUPERADMIN: [
        (RECORDS, ["view"]),
        (CODES, ["add", "change"]),
        (CORRECTIONS, ["add"]),
        (CATALOG, ["view", "add", "change"]),
        (USERS, ["view", "add", "change"]),
        (KEYS, ["view", "change"]),
        (REFUNDS, ["add"]),
        (BREAKS, ["change"]),
    ],
    SOVEREIGN_ADMIN: [(CODES, ["view", "add", "change"])],
    AUDITOR: [(RECORDS, ["view"])],
}


def make_groups(apps, schema_editor):
    group_model = apps.get_model("auth", "Group")
    for role, grants in GRANTS.items():
        group, _ = group_model.objects.get_or_create(name=role)
        group.permissions.set(
            _permission(apps, app, model, name, verb)
            for models, verbs in grants
            for app, names in models.items()
            for model, name in names.items()
            for verb in verbs
        )


def _permission(apps, app, model, name, verb):
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=f"{verb}_{model}", defaults={"name": f"Can {verb} {name}"}
    )
    return permission


def drop_groups(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=GRANTS).delete()


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user_id", models.CharField(max_length=255, unique=True)),
                ("email", models.CharField(blank=True, db_default="", default="", max_length=254)),
                ("stripe_customer_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("action", models.CharField(max_length=60)),
                ("object_type", models.CharField(max_length=60)),
                ("object_id", models.CharField(max_length=100)),
                ("changes", models.JSONField(default=dict)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("actor_id", models.CharField(max_length=255)),
                ("actor_role", models.CharField(max_length=20)),
                ("actor_email", models.CharField(blank=True, db_default="", default="", max_length=254)),
                ("channel", models.CharField(max_length=10)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("order_id", models.UUIDField()),
                ("amount_minor", models.BigIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("captured", "Captured"), ("released", "Released")],
                        db_default="active",
                        default="active",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="InstalledSql",
            fields=[
                (
                    "path",
                    models.CharField(
                        help_text="From the project's root.", max_length=200, primary_key=True, serialize=False
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
            ],
            options={
                "verbose_name_plural": "installed SQL files",
            },
        ),
        migrations.CreateModel(
            name="Invoice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("order_id", models.UUIDField(blank=True, null=True, unique=True)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("open", "Open"),
                            ("paid", "Paid"),
                            ("void", "Void"),
                            ("uncollectible", "Uncollectible"),
                        ],
                        max_length=13,
                    ),
                ),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                ("stripe_invoice_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("pdf_url", models.URLField(blank=True, db_default="", default="", max_length=2048)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("version", models.BigIntegerField(db_default=0, editable=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("grant", "Grant"),
                            ("spend", "Spend"),
                            ("reversal", "Reversal"),
                            ("adjustment", "Adjustment"),
                        ],
                        max_length=10,
                    ),
                ),
                ("amount_minor", models.BigIntegerField()),
                ("balance_after_minor", models.BigIntegerField(db_default=0, editable=False)),
                ("reason", models.CharField(max_length=100)),
                ("note", models.TextField(blank=True, db_default="", default="")),
                ("order_id", models.UUIDField(blank=True, null=True)),
                ("redemption_id", models.UUIDField(blank=True, null=True)),
                ("actor_id", models.CharField(max_length=255)),
                ("actor_role", models.CharField(max_length=20)),
                ("channel", models.CharField(max_length=10)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "ledger entries",
            },
        ),
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("slug", models.CharField(max_length=31)),
                ("name", models.CharField(max_length=200)),
                ("plan_id", models.UUIDField(blank=True, null=True)),
                ("apps", models.JSONField(blank=True, default=list)),
                ("addons", models.JSONField(blank=True, default=list)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("provisioning", "Provisioning"),
                            ("active", "Active"),
                            ("suspended", "Suspended"),
                            ("deleted", "Deleted"),
                        ],
                        db_default="pending",
                        default="pending",
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("deleted_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ProcessorSettings",
            fields=[
                ("id", models.SmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("encrypted_secret_key", models.TextField(null=True)),
                ("encrypted_webhook_secret", models.TextField(null=True)),
                ("public_key", models.CharField(max_length=255, null=True)),
                ("updated_at", models.DateTimeField(null=True)),
            ],
            options={
                "verbose_name_plural": "processor settings",
            },
        ),
        migrations.CreateModel(
            name="RateLimitWindow",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("hits", models.IntegerField()),
                ("ends_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("order_id", models.UUIDField(unique=True)),
                ("plan_id", models.UUIDField()),
                (
                    "addon_ids",
                    models.JSONField(default=list, help_text="Sorted ids of the add-ons, to compare baskets by."),
                ),
                ("amount_minor", models.BigIntegerField(help_text="The price of one month, smallest unit.")),
                ("currency", models.CharField(max_length=3)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("incomplete", "Incomplete"),
                            ("incomplete_expired", "Incomplete Expired"),
                            ("trialing", "Trialing"),
                            ("active", "Active"),
                            ("past_due", "Past Due"),
                            ("canceled", "Canceled"),
                            ("unpaid", "Unpaid"),
                            ("paused", "Paused"),
                        ],
                        max_length=20,
                    ),
                ),
                ("paid_by", models.CharField(choices=[("credit", "Credit"), ("stripe", "Stripe")], max_length=6)),
                ("current_period_start", models.DateTimeField()),
                ("current_period_end", models.DateTimeField()),
                (
                    "past_due_since",
                    models.DateTimeField(
                        blank=True,
                        help_text="When credit first did not cover a month that is due: the grace begins.",
                        null=True,
                    ),
                ),
                ("stripe_subscription_id", models.CharField(blank=True, db_default="", default="", max_length=255)),
                (
                    "last_stripe_event_at",
                    models.DateTimeField(blank=True, help_text="Time of the newest event heeded.", null=True),
                ),
                ("canceled_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        error_messages={"unique": "A user with that username already exists."},
                        help_text="Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.",
                        max_length=150,
                        unique=True,
                        validators=[django.contrib.auth.validators.UnicodeUsernameValidator()],
                        verbose_name="username",
                    ),
                ),
                ("first_name", models.CharField(blank=True, max_length=150, verbose_name="first name")),
                ("last_name", models.CharField(blank=True, max_length=150, verbose_name="last name")),
                ("email", models.EmailField(blank=True, max_length=254, verbose_name="email address")),
                (
                    "is_staff",
                    models.BooleanField(
                        default=False,
                        help_text="Designates whether the user can log into this admin site.",
                        verbose_name="staff status",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True,
                        help_text="Designates whether this user should be treated as active. Unselect this instead of deleting accounts.",
                        verbose_name="active",
                    ),
                ),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now, verbose_name="date joined")),
                (
                    "sub",
                    models.CharField(
                        default=billing.models.customer.new_user_id,
                        max_length=255,
                        unique=True,
                        verbose_name="platform user id",
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "db_table": "billing_user",
                "abstract": False,
            },
            managers=[
                ("objects", django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "customer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="billing.customer",
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("balance_minor", models.BigIntegerField(db_default=0, default=0)),
                ("held_minor", models.BigIntegerField(db_default=0, default=0)),
                ("version", models.BigIntegerField(db_default=0, default=0)),
            ],
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["-created_at"], name="billing_customer_newest"),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(
                condition=models.Q(("user_id", ""), _negated=True), name="billing_customer_user_id_given"
            ),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stripe_customer_id", ""), _negated=True),
                fields=("stripe_customer_id",),
                name="billing_customer_stripe_customer_once",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["object_type", "object_id", "-created_at"], name="billing_audit_of_object"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["-created_at"], name="billing_audit_newest"),
        ),
        migrations.AddConstraint(
            model_name="auditentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("actor_id", ""), _negated=True), name="billing_auditentry_actor_given"
            ),
        ),
        migrations.AddConstraint(
            model_name="auditentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("action", ""), _negated=True), name="billing_auditentry_action_given"
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="billing.customer",
            ),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="reverses",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="billing.ledgerentry",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="organizations",
                to="billing.customer",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invoices",
                to="billing.organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="processorsettings",
            constraint=models.CheckConstraint(
                condition=models.Q(("id", 1)), name="billing_processorsettings_one_row"
            ),
        ),
        migrations.AddConstraint(
            model_name="processorsettings",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("encrypted_secret_key__isnull", True),
                    ("encrypted_secret_key", ""),
                    ("encrypted_secret_key__startswith", "gAAAAA"),
                    _connector="OR",
                ),
                name="billing_processorsettings_secret_key_encrypted",
            ),
        ),
        migrations.AddConstraint(
            model_name="processorsettings",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("encrypted_webhook_secret__isnull", True),
                    ("encrypted_webhook_secret", ""),
                    ("encrypted_webhook_secret__startswith", "gAAAAA"),
                    _connector="OR",
                ),
                name="billing_processorsettings_webhook_secret_encrypted",
            ),
        ),
        migrations.AddIndex(
            model_name="ratelimitwindow",
            index=models.Index(fields=["ends_at"], name="billing_ratelimitwindow_ended"),
        ),
        migrations.AddConstraint(
            model_name="ratelimitwindow",
            constraint=models.CheckConstraint(
                condition=models.Q(("hits__gt", 0)), name="billing_ratelimitwindow_hits_positive"
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="billing.customer",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="billing.organization",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="subscription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="invoices", to="billing.subscription"
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("sub", ""), _negated=True), name="billing_user_sub_given"
            ),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="entries",
                to="billing.account",
            ),
        ),
        migrations.AddField(
            model_name="hold",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="holds", to="billing.account"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("balance_minor__gte", models.F("held_minor"))),
                name="billing_account_balance_covers_held",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("held_minor__gte", 0)), name="billing_account_held_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("version__gte", 0)), name="billing_account_version_not_negative"
            ),
        ),
        migrations.AddIndex(
            model_name="organization",
            index=models.Index(fields=["customer", "-created_at"], name="billing_organization_newest"),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "deleted"), _negated=True),
                fields=("slug",),
                name="billing_organization_slug_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("slug__regex", "^[a-z][a-z0-9-]{2,30}$")), name="billing_organization_slug_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["pending", "provisioning", "active", "suspended", "deleted"])),
                name="billing_organization_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("deleted_at__isnull", False), ("status", "deleted")),
                    models.Q(models.Q(("status", "deleted"), _negated=True), ("deleted_at__isnull", True)),
                    _connector="OR",
                ),
                name="billing_organization_deleted_at_fits",
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                condition=models.Q(("paid_by", "credit"), ("status__in", ["active", "past_due"])),
                fields=["current_period_end"],
                name="billing_subscription_due",
            ),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(fields=["customer", "-created_at"], name="billing_subscription_newest"),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(fields=["organization", "-created_at"], name="billing_subscription_of_org"),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("canceled", "incomplete_expired")), _negated=True),
                fields=("organization",),
                name="billing_subscription_one_live_per_organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stripe_subscription_id", ""), _negated=True),
                fields=("stripe_subscription_id",),
                name="billing_subscription_stripe_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "incomplete",
                            "incomplete_expired",
                            "trialing",
                            "active",
                            "past_due",
                            "canceled",
                            "unpaid",
                            "paused",
                        ],
                    )
                ),
                name="billing_subscription_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("paid_by__in", ["credit", "stripe"])), name="billing_subscription_paid_by_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("current_period_start__lt", models.F("current_period_end"))),
                name="billing_subscription_period_forward",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gte", 0)), name="billing_subscription_amount_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "canceled"), _negated=True), ("canceled_at__isnull", False), _connector="OR"
                ),
                name="billing_subscription_canceled_at_given",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_by", "credit"), ("status", "past_due"), _negated=True),
                    ("past_due_since__isnull", False),
                    _connector="OR",
                ),
                name="billing_subscription_past_due_since_given",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "active"), _negated=True), ("past_due_since__isnull", True), _connector="OR"
                ),
                name="billing_subscription_active_is_not_past_due",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(fields=["customer", "-created_at"], name="billing_invoice_newest"),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(fields=["organization", "-created_at"], name="billing_invoice_of_org"),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stripe_invoice_id", ""), _negated=True),
                fields=("stripe_invoice_id",),
                name="billing_invoice_stripe_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("stripe_invoice_id", "")),
                fields=("subscription", "period_start"),
                name="billing_invoice_period_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["draft", "open", "paid", "void", "uncollectible"])),
                name="billing_invoice_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gte", 0)), name="billing_invoice_amount_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("period_start__lt", models.F("period_end"))),
                name="billing_invoice_period_forward",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                fields=("account", "version"), name="billing_ledgerentry_version_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reverses__isnull", False)),
                fields=("reverses",),
                name="billing_ledgerentry_reversed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "spend")),
                fields=("order_id",),
                name="billing_ledgerentry_one_spend_per_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "grant")),
                fields=("redemption_id",),
                name="billing_ledgerentry_one_grant_per_redemption",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "grant"), ("reason__startswith", "grant:")),
                fields=("account", "reason"),
                name="billing_ledgerentry_one_grant_per_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount_minor__gt", 0), ("kind", "grant")),
                    models.Q(("amount_minor__lt", 0), ("kind", "spend")),
                    models.Q(("kind__in", ["reversal", "adjustment"]), models.Q(("amount_minor", 0), _negated=True)),
                    _connector="OR",
                ),
                name="billing_ledgerentry_sign_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "reversal"), ("reverses__isnull", False)),
                    models.Q(models.Q(("kind", "reversal"), _negated=True), ("reverses__isnull", True)),
                    _connector="OR",
                ),
                name="billing_ledgerentry_reversal_names_entry",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "spend"), _negated=True), ("order_id__isnull", False), _connector="OR"
                ),
                name="billing_ledgerentry_spend_names_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["reversal", "adjustment"]), _negated=True),
                    models.Q(("note", ""), _negated=True),
                    _connector="OR",
                ),
                name="billing_ledgerentry_correction_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="billing_ledgerentry_reason_given"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("actor_id", ""), _negated=True), name="billing_ledgerentry_actor_given"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="billing_hold_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "captured", "released"])),
                name="billing_hold_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("status", "active")),
                    models.Q(models.Q(("status", "active"), _negated=True), ("closed_at__isnull", False)),
                    _connector="OR",
                ),
                name="billing_hold_closed_when_not_active",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "released"), _negated=True),
                fields=("order_id",),
                name="billing_hold_once_per_order",
            ),
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=255)),
                ("request_hash", models.CharField(max_length=64)),
                ("result_id", models.UUIDField()),
                ("balance_after_minor", models.BigIntegerField(null=True)),
                ("session_url", models.TextField(blank=True, db_default="", default="")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="idempotency_keys",
                        to="billing.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "key"), name="billing_idempotencykey_once"),
                    models.CheckConstraint(
                        condition=models.Q(("key", ""), _negated=True), name="billing_idempotencykey_key_given"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("created_at__lt", models.F("expires_at"))),
                        name="billing_idempotencykey_expires_later",
                    ),
                ],
            },
        ),
        migrations.RunPython(make_groups, drop_groups),
    ]
