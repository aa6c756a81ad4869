"""Finds entries, holds and lots of a span of time. Each index is a few pages, and an insert hardly ever writes to it."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0045_language_of_staff")]

    operations = [
        AddIndexConcurrently(
            model_name="ledgerentry",
            index=BrinIndex(fields=["created_at"], autosummarize=True, name="billing_ledgerentry_in_time"),
        ),
        AddIndexConcurrently(
            model_name="hold",
            index=BrinIndex(fields=["created_at", "closed_at"], autosummarize=True, name="billing_hold_in_time"),
        ),
        AddIndexConcurrently(
            model_name="lot",
            index=BrinIndex(
                fields=["expires_at"],
                opclasses=["timestamptz_minmax_multi_ops"],
                autosummarize=True,
                name="billing_lot_in_time",
            ),
        ),
    ]
