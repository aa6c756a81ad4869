import re
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from billing.models.keys import Uuid7

from .campaign import DEFAULT_CAMPAIGN, Campaign
from .credit_life import CreditLife, credit_life_check
from .restrictions import Restrictions, allow_repeats

CODE_PATTERN = r"^[A-Z0-9_-]{3,64}$"
CODE_MATCH = re.compile(r"[A-Z0-9_-]{3,64}")
HOT_COUNTERS = 16


class PromoCode(CreditLife):
    """A code that grants credit. People say voucher.

    A redemption never updates this row. Other rows (`PromoCounter`) count the code's slots, so that redemptions of a
    hot code do not wait for each other here. A code is never deleted, only retired, and can be restored.
    """

    id = models.UUIDField(primary_key=True, db_default=Uuid7(), editable=False)
    code = models.CharField(max_length=64, unique=True)
    credit_minor = models.BigIntegerField(help_text="Credit that one redemption grants, smallest unit.")
    currency = models.CharField(max_length=3)
    campaign: "models.ForeignKey[Campaign, Campaign]" = models.ForeignKey(
        Campaign,
        on_delete=models.PROTECT,
        related_name="codes",
        db_index=False,
        default=DEFAULT_CAMPAIGN,
        db_default=DEFAULT_CAMPAIGN,  # type: ignore[arg-type]  # a key, which the stubs do not know of
    )
    description = models.CharField(max_length=500, blank=True, default="", db_default="")
    active = models.BooleanField(default=True, db_default=True)
    max_redemptions = models.BigIntegerField(default=0, db_default=0, help_text="0 = unlimited.")
    for_cards = models.BooleanField(
        default=False, db_default=False, help_text="The terms of a batch's cards; not redeemed by this code itself."
    )
    hot = models.BooleanField(
        default=False,
        db_default=False,
        help_text=f"Expect a rush: the cap is counted in {HOT_COUNTERS} rows instead of one.",
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    restrictions: "models.JSONField[Restrictions | None, Restrictions | None]" = models.JSONField(
        null=True, blank=True
    )
    issued_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    # Not stored. The query that finds the row by the text that a customer entered sets them.
    found_by: str = ""
    # Set if the text is the code of a card; the row then holds the terms of the card's batch. `stored_as` is the hash
    # by which a secret batch stores the code. The last two are of the card's range: whether it may be redeemed, and
    # the range's own end.
    card_serial: int | None = None
    stored_as: str = ""
    card_is_open: bool = True
    card_expires_at: datetime | None = None

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(code__regex=CODE_PATTERN), name="promos_promocode_code_form"),
            models.CheckConstraint(condition=Q(credit_minor__gt=0), name="promos_promocode_credit_positive"),
            models.CheckConstraint(condition=Q(max_redemptions__gte=0), name="promos_promocode_cap_not_negative"),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(expires_at__isnull=True) | Q(starts_at__lt=F("expires_at")),
                name="promos_promocode_window_forward",
            ),
            models.CheckConstraint(
                condition=Q(for_cards=False) | Q(max_redemptions=0, hot=False),
                name="promos_promocode_cards_uncapped",
            ),
            models.CheckConstraint(
                condition=Q(restrictions__isnull=True) | ~Q(restrictions={}),
                name="promos_promocode_restrictions_say_one",
            ),
            credit_life_check("promos_promocode"),
        ]
        indexes = [
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(retired_at__isnull=True),
                name="promos_promocode_live_in_order",
            ),
            models.Index(fields=["-created_at", "-id"], name="promos_promocode_in_order"),
            models.Index(fields=["campaign", "-created_at"], name="promos_promocode_of_campaign"),
            # Lists by state find the few codes that are paused, or that have a window of their own.
            models.Index(
                fields=["-created_at"],
                condition=Q(retired_at__isnull=True, active=False),
                name="promos_promocode_paused",
            ),
            models.Index(
                fields=["starts_at"],
                condition=Q(retired_at__isnull=True, starts_at__isnull=False),
                name="promos_promocode_starts",
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(retired_at__isnull=True, expires_at__isnull=False),
                name="promos_promocode_expires",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def capped(self) -> bool:
        return self.max_redemptions > 0

    @property
    def restricted(self) -> bool:
        """Returns whether the code, or its campaign for all of its codes, has restrictions."""
        return self.restrictions is not None or self.campaign.restrictions is not None

    @property
    def repeatable(self) -> bool:
        """Returns whether a customer redeems it more than once, as its own restrictions say."""
        return not self.for_cards and allow_repeats(self.restrictions)

    def started(self, *, now: datetime) -> bool:
        return self.starts_at is None or self.starts_at <= now

    def expired(self, *, now: datetime) -> bool:
        """Returns whether the code has expired. It is valid from `starts_at` up to, not including, `expires_at`."""
        expires_at = self.card_expires_at or self.expires_at
        return expires_at is not None and expires_at <= now

    @property
    def credit_life(self) -> CreditLife:
        """The code's own life of its credit, or else its campaign's."""
        return self if self.limits_credit else self.campaign

    def expiry_of_credit(self, *, redeemed_at: datetime) -> datetime | None:
        """Returns when the credit of a redemption at this instant expires; None for never."""
        return self.credit_life.credit_expiry(redeemed_at=redeemed_at)

    def grants_expired_credit(self, *, now: datetime) -> bool:
        """Returns whether a redemption now would grant credit that has expired already."""
        expiry = self.expiry_of_credit(redeemed_at=now)
        return expiry is not None and expiry <= now


class PromoCounter(models.Model):
    """Some of a capped code's slots: one row for an ordinary code, several for a hot one.

    `quota` is this row's part of the cap; the sum of `used` is the number of live redemptions. An uncapped code has
    no counter, so its redemptions wait for none. No foreign key references this table.
    """

    promo_code = models.ForeignKey(PromoCode, on_delete=models.PROTECT, related_name="counters")
    quota = models.BigIntegerField()
    used = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used__gte=0, used__lte=F("quota")), name="promos_promocounter_used_within_quota"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.used} of {self.quota}"
