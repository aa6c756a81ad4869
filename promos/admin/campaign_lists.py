"""Lists of redemptions and refused attempts that can be narrowed to a campaign, which may have few among millions."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Q, QuerySet

from billing.admin.console.lists import KeysetChangeList
from billing.models.keys import key_at
from promos.models import CampaignFigures, PromoCode

# The parameter that narrows a list to a campaign.
CAMPAIGN = "promo_code__campaign__name"
# The rows of a campaign with at most this many vouchers and batches are found by them.
_MAX_CODES = 500
# A key and the time of its row may be from the clocks of two machines.
_MARGIN = timedelta(hours=1)


class CampaignChangeList(KeysetChangeList):
    """A list that finds the newest rows of a campaign without comparing all newer ones of other campaigns with it.

    Of a campaign with many vouchers the nightly figures know when its last row began, under the name `last`: between
    that and the night there is none.
    """

    last: ClassVar[str]

    _use: dict[str, Any] | None = None

    def narrow(self, rows: QuerySet[Any], name: str, values: Any) -> QuerySet[Any]:
        if name != CAMPAIGN:
            return super().narrow(rows, name, values)
        codes = PromoCode.objects.filter(campaign__name__in=values).order_by().values_list("pk", flat=True)
        keys = list(codes[: _MAX_CODES + 1])
        if len(keys) <= _MAX_CODES:
            return rows.filter(promo_code__in=keys)
        if len(values) == 1:
            figures = CampaignFigures.objects.filter(campaign__name=values[0])
            self._use = figures.values_list("use", flat=True).first()
        return super().narrow(rows, name, values)

    def read(self, rows: QuerySet[Any], number: int) -> list[Any]:
        use = self._use
        if not use or self.last not in use:
            return super().read(rows, number)
        counted_until = datetime.fromisoformat(use["until"]) - _MARGIN
        found = super().read(rows.filter(self._begun("gte", counted_until)), number)
        if use[self.last] is not None:
            last = min(datetime.fromisoformat(use[self.last]) + _MARGIN, counted_until)
            found += super().read(rows.filter(self._begun("lt", last)), number - len(found))
        return found

    def _begun(self, comparison: str, instant: datetime) -> Q:
        if self.time_field:
            return Q(**{f"{self.time_field}__{comparison}": instant})
        return Q(**{f"pk__{comparison}": key_at(instant)})
