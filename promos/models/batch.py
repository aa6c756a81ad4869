import re

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Right

from .promo_code import PromoCode
from .secret_code import HASH_MARK, StoredCode, hashes_of_card_code

# A `#` stands for one random symbol. The rest stands in every code as it is; dashes are only printed.
PATTERN_REGEX = r"^[A-Z0-9#-]{6,40}$"
PATTERN_MATCH = re.compile(r"[A-Z0-9#-]{6,40}")
MAX_CARDS = 1_000_000
# Searches by the last characters of a code use an index of this many.
LAST_CHARACTERS = 4


class Batch(models.Model):
    """Cards that were made together: unique codes, each redeemed once.

    Their terms (credit, currency, window) stand in one row of `PromoCode`, which has the batch's name as its code and
    which nobody can redeem by that name. A trigger keeps that row active exactly while the batch is.
    """

    class Status(models.TextChoices):
        DRAFT = "draft"
        APPROVED = "approved"
        GENERATED = "generated"
        RELEASED = "released"
        ACTIVE = "active"
        LOCKED = "locked"
        CLOSED = "closed"
        VOID = "void"

    TRANSITIONS = {
        Status.DRAFT: {Status.APPROVED, Status.VOID},
        Status.APPROVED: {Status.GENERATED, Status.VOID},
        Status.GENERATED: {Status.RELEASED, Status.VOID},
        Status.RELEASED: {Status.ACTIVE, Status.LOCKED, Status.VOID},
        Status.ACTIVE: {Status.LOCKED, Status.CLOSED, Status.VOID},
        Status.LOCKED: {Status.ACTIVE, Status.CLOSED, Status.VOID},
        Status.CLOSED: set(),
        Status.VOID: set(),
    }

    class Alphabet(models.TextChoices):
        LETTERS = "letters", "Letters and digits, without 0, 1, I and O"
        DIGITS = "digits", "Digits only"

    id = models.AutoField(primary_key=True)
    promo_code = models.OneToOneField(PromoCode, on_delete=models.PROTECT, related_name="batch")
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT, db_default=Status.DRAFT)
    pattern = models.CharField(max_length=40)
    alphabet = models.CharField(max_length=10, choices=Alphabet)
    size = models.IntegerField()
    first_serial = models.BigIntegerField()
    printer_key = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="A secret batch: the public key that its codes are encrypted to. Only hashes of them are stored.",
    )
    generated = models.IntegerField(default=0, db_default=0)
    created_by = models.CharField(max_length=255)
    approved_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    early_attempts = models.BigIntegerField(
        default=0, db_default=0, help_text="Attempts to redeem one of its cards while it could not be redeemed."
    )
    redeemed = models.IntegerField(
        default=0, db_default=0, help_text="Its redeemed cards, as the worker counted them last."
    )
    redeemed_counted_at = models.DateTimeField(null=True, blank=True)
    last_early_attempt_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["draft", "approved", "generated", "released", "active", "locked", "closed", "void"]
                ),
                name="promos_batch_status_known",
            ),
            models.CheckConstraint(condition=Q(pattern__regex=PATTERN_REGEX), name="promos_batch_pattern_form"),
            models.CheckConstraint(
                condition=Q(alphabet__in=["letters", "digits"]), name="promos_batch_alphabet_known"
            ),
            models.CheckConstraint(condition=Q(size__gte=1, size__lte=MAX_CARDS), name="promos_batch_size_in_bounds"),
            models.CheckConstraint(condition=Q(first_serial__gt=0), name="promos_batch_serial_positive"),
            models.CheckConstraint(
                condition=Q(generated__gte=0, generated__lte=F("size")), name="promos_batch_generated_within_size"
            ),
            models.CheckConstraint(
                condition=Q(redeemed__gte=0, redeemed__lte=F("size")), name="promos_batch_redeemed_within_size"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "approved", "void"]) | Q(generated=F("size")),
                name="promos_batch_generated_before_use",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "void"]) | (~Q(approved_by="") & ~Q(approved_by=F("created_by"))),
                name="promos_batch_approved_by_another",
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="promos_batch_in_order")]

    def __str__(self) -> str:
        return str(self.promo_code.code)

    @property
    def is_secret(self) -> bool:
        return bool(self.printer_key)

    @property
    def last_serial(self) -> int:
        return self.first_serial + self.size - 1

    def print_code(self, code: str) -> str:
        """Returns a code of the batch as it is printed: with the dashes of the pattern."""
        rest = iter(code)
        return "".join("-" if symbol == "-" else next(rest) for symbol in self.pattern)


class Card(models.Model):
    """A unique code that is redeemed once. The row is narrow, because a batch has up to a million of them.

    Everything that cards share stands in the batch. Whether a card is redeemed stands in `Redemption`.
    """

    serial = models.BigIntegerField(primary_key=True)
    # A foreign key would cost a check for each of a million rows: a trigger checks them at once (cards.sql).
    batch = models.ForeignKey(
        Batch, on_delete=models.PROTECT, related_name="cards", db_constraint=False, db_index=False
    )
    code = models.CharField(max_length=40, help_text="Without the dashes that are printed.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="promos_card_code_once")]
        indexes = [models.Index(Right("code", LAST_CHARACTERS), name="promos_card_last_characters")]

    def __str__(self) -> str:
        return f"card {self.serial}"

    @property
    def shown_ending(self) -> str:
        """The last characters of its code; empty for a card of a secret batch."""
        return "" if self.code.startswith(HASH_MARK) else self.code[-LAST_CHARACTERS:]


def normal_card_code(text: str) -> str:
    """Returns a code as a card stores it: without dashes. The text is trimmed and upper-case already."""
    return text.replace("-", "")


def stored_card_codes(text: str) -> list[str]:
    """Returns the forms in which a card of this code may be stored, also of a secret batch."""
    if isinstance(text, StoredCode):
        return [text]
    return [normal_card_code(text), *hashes_of_card_code(normal_card_code(text))]
