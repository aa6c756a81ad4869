"""Refusals of the promos app. A checkout answers a `PromoProblem` with 400, starting "invalid promo code: "."""

from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext

from billing.errors import DomainError
from billing.money import local_money


class PromoProblem(DomainError):
    """The code cannot be redeemed now, or not by this customer.

    `rule` is the name under which staff find the refusal, by default its code. `values` are those that decided; only
    staff see them.
    """

    code = "promo_invalid"
    why: str = "it cannot be redeemed"
    rule: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        super().__init__(f"invalid promo code: {self.why}")
        self.values = values
        # The stored code, of a card of a secret batch.
        self.stored_as = ""

    @property
    def reason(self) -> str:
        """`why` in the language of the request."""
        return gettext(self.why)

    @property
    def text(self) -> str:
        return f"{gettext('invalid promo code')}: {self.reason}"


class PromoNotFound(PromoProblem):
    """The code is unknown or retired. Clients must not be able to tell these apart."""

    code = "promo_not_found"
    why = "not found"


class CardNotActive(PromoNotFound):
    """The card's batch or range is not active. A customer must not be able to tell it from an unknown code."""

    rule = "card_not_active"

    def __init__(self, *, serial: int) -> None:
        super().__init__()
        self.serial = serial


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
    why = "exhausted, every redemption of it is taken"


class PromoAlreadyRedeemed(PromoProblem):
    code = "promo_already_redeemed"
    why = "already redeemed by this customer"


class PromoRepeatable(DomainError):
    """A customer may redeem the voucher several times, so a list of users could not be run twice without harm."""

    code = "promo_repeatable"
    status = 409
    message = "a customer can redeem this voucher several times: choose one that is redeemed once"


class RestrictionBroken(PromoProblem):
    """The code is restricted, and this redemption does not keep to it. Each rule has a class of its own."""


class PromoNeedsOrder(RestrictionBroken):
    code = "promo_needs_order"
    why = "it is valid only with an order"


class PromoOnlyTopUp(RestrictionBroken):
    code = "promo_only_top_up"
    why = "it is not valid with an order: redeem it into your balance first"


class PromoCustomerNotEligible(RestrictionBroken):
    code = "promo_customer_not_eligible"
    why = "it was issued to other customers"


class PromoEmailNotEligible(RestrictionBroken):
    code = "promo_email_not_eligible"
    why = "it is not valid for your e-mail address"


class PromoPlanNotEligible(RestrictionBroken):
    code = "promo_plan_not_eligible"
    why = "it is not valid for this plan"


class PromoAddOnMissing(RestrictionBroken):
    code = "promo_addon_missing"
    why = "it is valid only with certain add-ons, and the order has none of them"


class PromoOrderTooSmall(RestrictionBroken):
    code = "promo_order_too_small"
    why = "the order's total is too low for it"

    @property
    def reason(self) -> str:
        minimum_minor = self.values.get("minimum_order_minor")
        if minimum_minor is None:
            return super().reason
        minimum = local_money(minimum_minor, currency=settings.SOVEREIGN_CURRENCY)
        return gettext("it is valid only for orders of at least %(minimum)s") % {"minimum": minimum}


class PromoNotFirstOrder(RestrictionBroken):
    code = "promo_not_first_order"
    why = "it is valid only for a first order"


class PromoCustomerLimit(RestrictionBroken):
    code = "promo_customer_limit"
    why = "you have used it as often as one customer may"


class PromoDailyLimit(RestrictionBroken):
    code = "promo_daily_limit"
    why = "you have used it as often as is allowed in one day: try again tomorrow"


class PromoWeeklyLimit(RestrictionBroken):
    code = "promo_weekly_limit"
    why = "you have used it as often as is allowed in one week: try again next week"


class PromoMonthlyLimit(RestrictionBroken):
    code = "promo_monthly_limit"
    why = "you have used it as often as is allowed in one month: try again next month"


class PromoChanged(DomainError):
    """The code changed between reading it and locking it. The request can be retried."""

    code = "promo_changed"
    status = 409
    message = "the promo code changed: try again"


class LiveCodeNotFound(DomainError):
    """There is no live code of the name that staff gave."""

    code = "promo_not_found"
    status = 404
    message = "there is no live voucher with this code"


class CapBelowUsed(DomainError):
    code = "cap_below_used"
    status = 409
    message = "the cap cannot be lower than the number of redemptions already made"


class CampaignNotFound(DomainError):
    code = "campaign_not_found"
    status = 404
    message = "there is no campaign with this id"


class InvalidCampaign(DomainError):
    code = "invalid_campaign"
    message = "the campaign is not valid"


class CampaignNameTaken(DomainError):
    code = "campaign_name_taken"
    status = 409
    message = "another campaign has this name"


class CampaignStateRefuses(DomainError):
    """The campaign's state does not allow the act."""

    code = "campaign_state"
    status = 409
    message = "the campaign's state does not allow this"


class ApprovalNeedsAnother(DomainError):
    code = "approval_needs_another"
    status = 403
    message = "someone other than the person who drafted the campaign must approve it"


class BudgetBelowUsed(DomainError):
    code = "budget_below_used"
    status = 409
    message = "the budget cannot be lower than the credit already granted from it"


class InvalidPromo(DomainError):
    code = "invalid_promo"
    message = "the promo code is not valid"


class InvalidRestrictions(DomainError):
    code = "invalid_restrictions"
    message = "the restrictions are not valid"


class InvalidCardBatch(DomainError):
    code = "invalid_card_batch"
    message = "the batch of cards is not valid"


class BatchNotFound(DomainError):
    code = "batch_not_found"
    status = 404
    message = "there is no batch with this id"


class BatchStateRefuses(DomainError):
    """The batch's state does not allow the act."""

    code = "batch_state"
    status = 409
    message = "the batch's state does not allow this"


class BatchIsSecret(DomainError):
    """The codes of a secret batch cannot be exported or printed here: only hashes of them are stored."""

    code = "batch_is_secret"
    status = 409
    message = "the codes of a secret batch are only in its printer's file"


class PrinterFileNotYours(DomainError):
    """The printer's file was handed to somebody else, or to nobody yet."""

    code = "printer_file_not_yours"
    status = 403
    message = "the printer's file was not handed out to you"


class PrinterFileHandedOut(DomainError):
    code = "printer_file_handed_out"
    status = 409
    message = "the printer's file was handed out already, which is done once"


class BatchNeedsAnotherApprover(DomainError):
    code = "batch_needs_another_approver"
    status = 403
    message = "someone other than the person who drafted the batch must approve it"


class AlertNotFound(DomainError):
    code = "alert_not_found"
    status = 404
    message = "there is no such alert"


class InvalidRange(DomainError):
    code = "invalid_range"
    message = "the serial numbers, or the act on them, are not valid"


class InvalidDealer(DomainError):
    code = "invalid_dealer"
    message = "the dealer is not valid"


class DealerNameTaken(DomainError):
    code = "dealer_name_taken"
    status = 409
    message = "another dealer has this name"


class DealerUserTaken(DomainError):
    code = "dealer_user_taken"
    status = 409
    message = "this user is another dealer's already"


class DealerNotFound(DomainError):
    code = "dealer_not_found"
    status = 404
    message = "there is no dealer with this id"


class CreditRequired(InvalidPromo):
    """A new code needs a credit. The client's own names of the field are the API's to say."""

    def __init__(self) -> None:
        super().__init__(fields={"credit": ["say how much credit a new voucher gives"]})


class CreditSpent(DomainError):
    code = "credit_spent"
    status = 409
    message = "the customer has spent this redemption's credit, or it is held for an open payment"


class RedemptionNotConfirmed(DomainError):
    code = "redemption_not_confirmed"
    status = 409
    message = "only a confirmed redemption can be released, and this one is no longer confirmed"


class RedemptionNotReserved(DomainError):
    code = "redemption_not_reserved"
    status = 409
    message = "the redemption is not reserved"
