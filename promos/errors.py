"""Refusals around promo codes. In a checkout each is a 400 whose sentence starts "invalid promo code: "."""

from typing import ClassVar

from billing.errors import DomainError


class PromoProblem(DomainError):
    """A code that cannot be redeemed, by this customer or now."""

    code = "promo_invalid"
    why: ClassVar[str] = "it cannot be redeemed"

    def __init__(self) -> None:
        super().__init__(f"invalid promo code: {self.why}")


class PromoNotFound(PromoProblem):
    """Unknown and retired codes are told apart by nobody outside."""

    code = "promo_not_found"
    why = "not found"


class PromoInactive(PromoProblem):
    code = "promo_inactive"
    why = "not active"


class PromoNotStarted(PromoProblem):
    code = "promo_not_started"
    why = "not valid yet"


class PromoExpired(PromoProblem):
    code = "promo_expired"
    why = "expired"


class PromoExhausted(PromoProblem):
    code = "promo_exhausted"
    why = "exhausted, every redemption is taken"


class PromoAlreadyRedeemed(PromoProblem):
    code = "promo_already_redeemed"
    why = "already redeemed by this customer"


class PromoChanged(DomainError):
    """The code changed between the look and the lock: look again."""

    code = "promo_changed"
    status = 409
    message = "the promo code changed: try again"


class LiveCodeNotFound(DomainError):
    """What an admin names is no live code."""

    code = "promo_not_found"
    status = 404
    message = "no live code of this name"


class CapBelowUsed(DomainError):
    code = "cap_below_used"
    status = 409
    message = "the cap may not be lower than the redemptions already made"


class InvalidPromo(DomainError):
    code = "invalid_promo"
    message = "the promo code is not valid"


class CreditSpent(DomainError):
    code = "credit_spent"
    status = 409
    message = "the credit of this redemption was spent already"


class RedemptionNotReserved(DomainError):
    code = "redemption_not_reserved"
    status = 409
    message = "the redemption is not reserved"
