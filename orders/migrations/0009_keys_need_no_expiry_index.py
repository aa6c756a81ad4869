"""Expired keys are removed by walking them from the oldest; see use_cases/prune_expired.py."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("orders", "0008_balance_from_the_entry")]

    operations = [RemoveIndexConcurrently(model_name="idempotencykey", name="orders_idempotency_expiry")]
