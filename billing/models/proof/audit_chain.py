from django.db import models
from django.db.models import Q

from ..audit import AuditEntry


class AuditLink(models.Model):
    """The place of an audit entry in the chain, and its hash (audit_chain.sql). Append-only."""

    number = models.BigIntegerField(primary_key=True, editable=False)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="link")
    hash = models.BinaryField()

    def __str__(self) -> str:
        return f"audit entry {self.number}"


class AuditChain(models.Model):
    """The end of the audit trail's chain: how many entries it has, and the hash of the newest. One row."""

    id = models.IntegerField(primary_key=True, default=1)
    entries = models.BigIntegerField()
    hash = models.BinaryField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="billing_auditchain_one_row")]

    def __str__(self) -> str:
        return f"{self.entries} audit entries"
