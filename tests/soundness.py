"""Whether everything that is counted twice agrees, and what a code's count is."""

from billing.use_cases.verify_ledger import verify_ledger
from promos.queries import codes_with_use
from promos.use_cases.verify_redemptions import verify_redemptions


def all_sound() -> bool:
    """Whether the ledger adds up, and codes, redemptions and credit agree."""
    return verify_ledger().sound and verify_redemptions() is None


def times_redeemed(code: str) -> int:
    """The code's live redemptions, as staff see them."""
    return int(getattr(codes_with_use().get(code=code), "times_redeemed", -1))
