from .alert import Alert
from .attempt import RefusedAttempt
from .batch import Batch, Card
from .campaign import BudgetCounter, Campaign
from .card_range import CardRange, Dealer
from .printer_file import PrinterFile
from .promo_code import PromoCode, PromoCounter
from .redemption import Redemption

__all__ = [
    "Alert",
    "Batch",
    "BudgetCounter",
    "Campaign",
    "Card",
    "CardRange",
    "Dealer",
    "PrinterFile",
    "PromoCode",
    "PromoCounter",
    "Redemption",
    "RefusedAttempt",
]
