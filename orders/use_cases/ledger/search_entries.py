"""Makes the search that conditions from outside the console describe."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from billing.models import Customer, LedgerEntry
from orders.use_cases.ledger.find_entries import (
    CORRECTIONS,
    EntrySearch,
    campaign_is_narrow,
    in_time,
    keys_in_time,
    of_campaign,
    of_class,
    of_kind,
    of_size,
)
from promos.errors import CampaignNotFound
from promos.models import Campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryConditions:
    """The conditions that entries are found by, as the ledger's page has them; empty ones hold for every entry.

    `since` is included, `until` is not. `customer` is an e-mail address or a user id, `campaign` a name. Amounts
    count whether they came in or went out.
    """

    since: datetime | None = None
    until: datetime | None = None
    kind: str = ""
    credit_class: str = ""
    customer: str = ""
    campaign: str = ""
    at_least_minor: int | None = None
    at_most_minor: int | None = None


def search_entries(conditions: EntryConditions) -> EntrySearch:
    """Returns the search for the entries that meet all conditions. Raises: CampaignNotFound."""
    wanted = in_time(conditions.since, conditions.until)
    wanted &= of_size(conditions.at_least_minor, conditions.at_most_minor)
    is_narrow = False
    if conditions.kind:
        wanted &= of_kind(conditions.kind)
        is_narrow = conditions.kind in CORRECTIONS
    if conditions.credit_class:
        wanted &= of_class(conditions.credit_class)
    if conditions.customer:
        found = Customer.objects.filter(Q(user_id=conditions.customer) | Q(email__iexact=conditions.customer))
        # The ids themselves, so that PostgreSQL knows how few entries they have.
        wanted &= Q(account_id__in=list(found.values_list("pk", flat=True)))
        is_narrow = True
    if conditions.campaign:
        campaign = Campaign.objects.filter(name__iexact=conditions.campaign).first()
        if campaign is None:
            raise CampaignNotFound("there is no campaign with this name")
        few = campaign_is_narrow(campaign.pk)
        wanted &= of_campaign(campaign.pk, is_narrow=few)
        is_narrow = is_narrow or few
    first, end = keys_in_time(conditions.since, conditions.until)
    return EntrySearch(
        entries=LedgerEntry.objects.filter(wanted),
        is_filtered=bool(wanted),
        is_narrow=is_narrow,
        first=first,
        end=end,
    )
