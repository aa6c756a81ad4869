"""Finds invoices and organizations by rare states, organizations and customers by words, audit entries by their origin."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Func, Q
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0041_deleted_slugs_index")]

    operations = [
        AddIndexConcurrently(
            model_name="invoice",
            index=models.Index(fields=["status", "-id"], condition=~Q(status="paid"), name="billing_invoice_rare"),
        ),
        AddIndexConcurrently(
            model_name="organization",
            index=models.Index(
                fields=["status", "-id"],
                condition=Q(status__in=["provisioning", "suspended", "deleted"]),
                name="billing_organization_rare",
            ),
        ),
        AddIndexConcurrently(
            model_name="organization",
            index=GinIndex(
                Func("name", template="to_tsvector('simple', translate(%(expressions)s, '-./@_', '     '))"),
                fastupdate=False,
                name="billing_organization_by_word",
            ),
        ),
        AddIndexConcurrently(
            model_name="organization",
            index=models.Index(
                fields=["slug"], opclasses=["varchar_pattern_ops"], name="billing_organization_by_slug"
            ),
        ),
        RemoveIndexConcurrently(model_name="organization", name="billing_organization_old_slug"),
        AddIndexConcurrently(
            model_name="customer",
            index=models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="billing_customer_by_email"),
        ),
        RemoveIndexConcurrently(model_name="customer", name="billing_customer_email"),
        AddIndexConcurrently(
            model_name="auditentry",
            index=models.Index(fields=["actor_role", "channel"], name="billing_audit_of_origin"),
        ),
    ]
