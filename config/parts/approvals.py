"""Reads the limits above which an act of staff needs the approval of another member of staff."""

import re
from collections.abc import Iterable

# The figures that a limit may name. Amounts are in the currency's smallest unit.
MEASURES = (
    "adjust_credit",
    "issue_credit",
    "issue_cap",
    "raise_budget",
    "activate_credit",
    "refund",
    "bulk_grant",
    "release",
    "move_email",
    "write_off",
)
_LIMIT = re.compile(r"(?P<measure>[a-z_]+)(:(?P<role>[a-z-]+))?=(?P<figure>[0-9]{1,15})")


def approval_limits(items: Iterable[str]) -> dict[str, dict[str, int]]:
    """Returns the limits by measure and role, read from items such as `adjust_credit:superadmin=50000`.

    A limit without a role is that of all other roles, under `*`. Raises: ValueError.
    """
    limits: dict[str, dict[str, int]] = {}
    for item in items:
        found = _LIMIT.fullmatch(item)
        if found is None or found["measure"] not in MEASURES:
            raise ValueError(f"APPROVAL_LIMITS must be items such as adjust_credit=50000, of {', '.join(MEASURES)}")
        limits.setdefault(found["measure"], {})[found["role"] or "*"] = int(found["figure"])
    return limits
