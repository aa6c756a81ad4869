"""Indexes that find audit entries by actor and by request."""

import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0032_audit_chain")]

    operations = [
        AddIndexConcurrently(
            "auditentry", models.Index(fields=["actor_id", "-created_at"], name="billing_audit_of_actor")
        ),
        AddIndexConcurrently(
            "auditentry",
            models.Index(django.db.models.functions.text.Upper("actor_email"), name="billing_audit_of_email"),
        ),
        AddIndexConcurrently(
            "auditentry",
            models.Index(
                fields=["request_id"],
                condition=models.Q(("request_id", ""), _negated=True),
                name="billing_audit_of_request",
            ),
        ),
    ]
