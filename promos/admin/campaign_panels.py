"""The newest vouchers and batches of a campaign, on its page."""

from billing.admin.console.display import Column, Panel, amount, change_url, link, list_url, moment
from billing.language import say
from promos.models import Campaign
from promos.queries import batches_with_terms

from .cards.cards import batch_badge
from .states import codes_as_listed, format_usage

MAX_ROWS = 20


def codes_panel(campaign: Campaign) -> Panel:
    """Makes a panel of a campaign's newest vouchers. One query."""
    codes = codes_as_listed().filter(campaign=campaign, retired_at__isnull=True).order_by("-created_at", "-id")
    return Panel(
        title="Vouchers",
        columns=[Column("Code"), Column("Credit", right=True), Column("Used"), Column("Issued")],
        rows=[
            (
                link(each.code, change_url("promos_promocode", each.pk)),
                amount(each.credit_minor),
                format_usage(each),
                moment(each.created_at),
            )
            for each in codes[:MAX_ROWS]
        ],
        empty="No voucher belongs to this campaign yet.",
        more_title="All vouchers",
        more_url=list_url("promos_promocode", campaign__name=campaign.name),
    )


def batches_panel(campaign: Campaign) -> Panel:
    """Makes a panel of a campaign's newest batches. One query."""
    batches = batches_with_terms().filter(promo_code__campaign=campaign).order_by("-created_at", "-id")
    return Panel(
        title="Batches of cards",
        columns=[Column("Name"), Column("State"), Column("Credit a card", right=True), Column("Redeemed")],
        rows=[
            (
                link(each.promo_code.code, change_url("promos_batch", each.pk)),
                batch_badge(each.status),
                amount(each.promo_code.credit_minor),
                say("%(part)s of %(whole)s", part=f"{each.redeemed:,}", whole=f"{each.size:,}"),
            )
            for each in batches[:MAX_ROWS]
        ],
        empty="No batch belongs to this campaign yet.",
        more_title="All batches",
        more_url=list_url("promos_batch", promo_code__campaign__name=campaign.name),
    )
