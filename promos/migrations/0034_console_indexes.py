"""Finds redemptions that are not confirmed, all vouchers in order, and refused attempts by act and channel."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("promos", "0033_readers_of_vouchers_see_the_same")]

    operations = [
        AddIndexConcurrently(
            model_name="redemption",
            index=models.Index(
                fields=["status", "-id"], condition=~Q(status="confirmed"), name="promos_redemption_rare"
            ),
        ),
        AddIndexConcurrently(
            model_name="promocode",
            index=models.Index(fields=["-created_at", "-id"], name="promos_promocode_in_order"),
        ),
        AddIndexConcurrently(
            model_name="refusedattempt",
            index=models.Index(fields=["act", "channel"], name="promos_refused_of_act"),
        ),
    ]
