from django.utils import timezone

from promos.errors import CardNotActive, PromoProblem
from promos.models import PromoCode
from promos.use_cases.cards.record_early_attempt import record_early_attempt
from promos.use_cases.check_eligibility import problem_of


def preview_code(found: PromoCode | None, *, address: str | None) -> PromoProblem | None:
    """Returns why no customer can redeem the code now, or None. An inactive card counts as an early attempt.

    Args: found: as `find_code` or `find_typed_code` returns it. address: the client's, for the log.
    Transaction: joins.
    """
    has_free_slot = getattr(found, "has_free_slot", False)
    problem = problem_of(found, now=timezone.now(), has_free_slot=has_free_slot, redeemed=False)
    if isinstance(problem, CardNotActive):
        record_early_attempt(serial=problem.serial, address=address)
    return problem
