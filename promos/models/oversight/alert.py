from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7

OF_USE = ("address", "customer", "range", "early_card", "collector")
OF_LIMITS = ("budget_80", "budget_100", "cap_80", "cap_100")


class Alert(models.Model):
    """A use of codes that staff must look at; open once for each subject, and closed by a member of staff."""

    class Kind(models.TextChoices):
        ADDRESS = "address", "Many refusals from one address"
        CUSTOMER = "customer", "Many refusals of one customer"
        RANGE = "range", "Many refusals of one range of cards"
        EARLY_CARD = "early_card", "Cards tried before activation"
        COLLECTOR = "collector", "One customer redeems many codes"
        BUDGET_80 = "budget_80", "80% of a campaign's budget is used"
        BUDGET_100 = "budget_100", "A campaign's budget is used up"
        CAP_80 = "cap_80", "80% of a voucher's cap is used"
        CAP_100 = "cap_100", "A voucher's cap is used up"

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    subject = models.CharField(
        max_length=255,
        help_text="The address, the user id, or the name of the batch, campaign or voucher;"
        " for a range, with its serials.",
    )
    number = models.BigIntegerField(help_text="The refusals, redemptions or used credit when it was last seen.")
    allowed = models.BigIntegerField(
        default=0, db_default=0, help_text="The budget or cap when it was raised; 0 for other kinds."
    )
    opened_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[*OF_USE, *OF_LIMITS]),
                name="promos_alert_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=OF_USE, allowed=0) | (~Q(kind__in=OF_USE) & Q(allowed__gt=0)),
                name="promos_alert_allowed_of_limits",
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_by="") | (Q(closed_at__isnull=False) & ~Q(closed_by="")),
                name="promos_alert_closed_by_someone",
            ),
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(closed_at__isnull=True), name="promos_alert_open_once"
            ),
        ]
        indexes = [models.Index(fields=["kind", "subject", "-closed_at"], name="promos_alert_of_subject")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
