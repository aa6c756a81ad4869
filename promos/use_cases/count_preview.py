"""Counts the previews of a voucher or of a batch's cards: the first step of the funnel on their pages.

Previews that arrive together share one statement and one commit. A preview that cannot be counted is answered all the
same. Refused previews are not counted here: they are recorded with their reason (attempts/record_attempt.py).
"""

import logging
from collections.abc import Sequence
from uuid import UUID

from django.db import Error, connection, transaction

from billing.database.group_commit import GroupCommit

logger = logging.getLogger(__name__)

# In the order of the keys, so that two processes never wait for each other.
_COUNT = """
INSERT INTO promos_codepreviews AS known (promo_code_id, number)
SELECT promo, count(*) FROM unnest(%s::uuid[]) AS promo GROUP BY promo ORDER BY promo
ON CONFLICT (promo_code_id) DO UPDATE SET number = known.number + excluded.number
"""


def count_preview(*, promo_code_id: UUID) -> None:
    """Counts one preview that the code's terms allowed. A failure is logged, and not raised.

    Transaction: owns, with those of other requests; inside another's it is a savepoint.
    """
    try:
        if connection.in_atomic_block:
            with transaction.atomic():
                _write([promo_code_id])
        elif _group.submit(promo_code_id) is None:
            logger.warning("a preview was not counted")
    except Error:
        logger.warning("a preview was not counted", exc_info=True)


def _write(codes: Sequence[UUID]) -> list[bool]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(codes)])
    return [True] * len(codes)


_group: GroupCommit[UUID, bool] = GroupCommit(_write)
