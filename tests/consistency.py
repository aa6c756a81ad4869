"""Checks that the ledger, the codes and the redemptions agree, and counts a code's redemptions."""

from billing.use_cases.ledger.verify_ledger import verify_ledger
from promos.models import PromoCode
from promos.queries import codes_with_use
from promos.use_cases.verify_redemptions import verify_redemptions


def ledger_and_redemptions_agree() -> bool:
    """Return whether the ledger adds up, and codes, redemptions and credit agree."""
    return verify_ledger().sound and verify_redemptions() is None


def times_redeemed(code: PromoCode | str) -> int:
    """Return the number of the code's live redemptions, as staff see it."""
    text = code if isinstance(code, str) else code.code
    # The annotation is no field of the model, so its type does not know it.
    return int(vars(codes_with_use().get(code=text))["times_redeemed"])
