from .batch import Batch, Card
from .campaign import BudgetCounter, Campaign, VatTreatment
from .card_range import CardRange, Dealer
from .oversight.alert import Alert
from .oversight.attempt import RefusedAttempt
from .oversight.figures import CampaignFigures, CodeFigures, CodePreviews, DealerBatchFigures, DealerFigures
from .oversight.snapshot import UseSnapshot
from .printer_file import PrinterFile
from .promo_code import PromoCode, PromoCounter
from .redemption import Redemption

__all__ = [
    "Alert",
    "Batch",
    "BudgetCounter",
    "Campaign",
    "CampaignFigures",
    "Card",
    "CardRange",
    "CodeFigures",
    "CodePreviews",
    "Dealer",
    "DealerBatchFigures",
    "DealerFigures",
    "PrinterFile",
    "PromoCode",
    "PromoCounter",
    "Redemption",
    "RefusedAttempt",
    "UseSnapshot",
    "VatTreatment",
]
