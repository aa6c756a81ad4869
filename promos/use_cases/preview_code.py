from django.utils import timezone

from billing.actor import Actor
from promos.errors import PromoProblem
from promos.models import PromoCode, RefusedAttempt
from promos.use_cases.attempts.record_attempt import record_attempt
from promos.use_cases.check_eligibility import problem_of
from promos.use_cases.count_preview import count_preview


def preview_code(found: PromoCode | None, *, code: str, by: Actor) -> PromoProblem | None:
    """Returns why no customer can redeem the code now, or None. A refusal is recorded, another preview counted.

    A card that is not active costs exactly what an unknown code costs, so that the time of an answer does not tell
    them apart.

    Args: found: as `find_code` or `find_typed_code` returns it. code: as the caller entered it.
    """
    has_free_slot = getattr(found, "has_free_slot", False)
    problem = problem_of(found, now=timezone.now(), has_free_slot=has_free_slot, redeemed=False)
    if found is not None and problem is None:
        count_preview(promo_code_id=found.pk)
    if problem is not None:
        record_attempt(problem, code=code, act=RefusedAttempt.Act.PREVIEW, by=by)
    return problem
