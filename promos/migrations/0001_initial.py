"""The tables of promos."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import billing.models.keys


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="PromoCode",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("code", models.CharField(max_length=64, unique=True)),
                (
                    "credit_minor",
                    models.BigIntegerField(help_text="Credit that one redemption grants, smallest unit."),
                ),
                ("currency", models.CharField(max_length=3)),
                ("description", models.CharField(blank=True, db_default="", default="", max_length=500)),
                ("active", models.BooleanField(db_default=True, default=True)),
                ("max_redemptions", models.BigIntegerField(db_default=0, default=0, help_text="0 = unlimited.")),
                (
                    "hot",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Expect a rush: the cap is counted in 16 rows instead of one.",
                    ),
                ),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                ("issued_by", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("retired_at__isnull", True)),
                        fields=["-created_at", "-id"],
                        name="promos_promocode_live_in_order",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("code__regex", "^[A-Z0-9_-]{3,64}$")), name="promos_promocode_code_form"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("credit_minor__gt", 0)), name="promos_promocode_credit_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("max_redemptions__gte", 0)), name="promos_promocode_cap_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("starts_at__isnull", True),
                            ("expires_at__isnull", True),
                            ("starts_at__lt", models.F("expires_at")),
                            _connector="OR",
                        ),
                        name="promos_promocode_window_forward",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PromoCounter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("quota", models.BigIntegerField()),
                ("used", models.BigIntegerField(db_default=0, default=0)),
                (
                    "promo_code",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="counters", to="promos.promocode"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("used__gte", 0), ("used__lte", models.F("quota"))),
                        name="promos_promocounter_used_within_quota",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Redemption",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=billing.models.keys.Uuid7(), editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("order_id", models.UUIDField(blank=True, null=True)),
                ("credit_minor", models.BigIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("reserved", "Reserved"), ("confirmed", "Confirmed"), ("released", "Released")],
                        max_length=10,
                    ),
                ),
                ("reserved_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("confirmed_at", models.DateTimeField(blank=True, null=True)),
                ("released_at", models.DateTimeField(blank=True, null=True)),
                ("release_reason", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="redemptions", to="billing.customer"
                    ),
                ),
                (
                    "promo_code",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="redemptions",
                        to="promos.promocode",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("order_id__isnull", False)),
                        fields=["order_id"],
                        name="promos_redemption_with_order",
                    ),
                    models.Index(fields=["promo_code", "-reserved_at"], name="promos_redemption_of_code"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ("reserved", "confirmed"))),
                        fields=("promo_code", "customer"),
                        name="promos_redemption_once_per_customer",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["reserved", "confirmed", "released"])),
                        name="promos_redemption_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("credit_minor__gt", 0)), name="promos_redemption_credit_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("confirmed_at__isnull", True), ("status", "reserved")),
                            models.Q(("confirmed_at__isnull", False), ("status", "confirmed")),
                            ("status", "released"),
                            _connector="OR",
                        ),
                        name="promos_redemption_confirmed_at_fits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("released_at__isnull", False),
                                ("status", "released"),
                                models.Q(("release_reason", ""), _negated=True),
                            ),
                            models.Q(
                                models.Q(("status", "released"), _negated=True),
                                ("release_reason", ""),
                                ("released_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="promos_redemption_release_says_why",
                    ),
                ],
            },
        ),
    ]
