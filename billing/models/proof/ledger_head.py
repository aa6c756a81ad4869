import hashlib
import json
from typing import Any

from django.db import models
from django.db.models import Value
from django.db.models.functions import Now

from ..account import Account


class LedgerHead(models.Model):
    """A signed statement about the whole ledger at an instant. Append-only.

    The statement is kept as it was signed, a JSON object: `number`, `at` and `currency`; the totals `accounts`,
    `entries` and `balance_minor`; `changed`, how many accounts this head covers, and `root`, their hash (chain.sql);
    the hash of the head before as `previous`; `audit_entries` and `audit_hash`, the end of the audit trail's chain,
    and the same of each chain of another app; and the `public_key` that verifies the signature.
    """

    number = models.BigIntegerField(primary_key=True, editable=False)
    statement = models.TextField()
    signature = models.BinaryField(help_text="Ed25519, of the statement.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "signed head"

    def __str__(self) -> str:
        return f"head {self.number}"

    @property
    def hash(self) -> str:
        """The hash by which the next head names this one, and by which it is published."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    @property
    def facts(self) -> dict[str, Any]:
        """The statement's fields."""
        facts: dict[str, Any] = json.loads(self.statement)
        return facts


class SealedAccount(models.Model):
    """An account's newest entry at the instant of a head that covers it. Append-only."""

    head = models.ForeignKey(LedgerHead, on_delete=models.PROTECT, db_index=False, related_name="sealed_accounts")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False)
    version = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "version"], name="billing_sealedaccount_version_once"),
            models.UniqueConstraint(fields=["head", "account"], name="billing_sealedaccount_once_a_head"),
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} at entry {self.version}"


class LedgerCheck(models.Model):
    """The result of one verification of the chain and of the heads. Append-only."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    accounts = models.BigIntegerField()
    entries = models.BigIntegerField()
    audit_entries = models.BigIntegerField(default=0, db_default=0)
    other_entries = models.JSONField(
        default=dict, db_default=Value({}, models.JSONField()), help_text="How many entries each chain of an app has."
    )
    head = models.ForeignKey(
        LedgerHead, on_delete=models.PROTECT, null=True, db_index=False, help_text="The newest head it compared with."
    )
    fault = models.TextField(blank=True, default="", db_default="", help_text="Empty if the ledger is sound.")

    class Meta:
        verbose_name = "check of the chain"
        verbose_name_plural = "checks of the chain"
        indexes = [models.Index(fields=["-finished_at"], name="billing_ledgercheck_newest")]

    def __str__(self) -> str:
        return "a fault was found" if self.fault else "sound"
