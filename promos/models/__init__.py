from .batch import Batch, Card
from .campaign import BudgetCounter, Campaign
from .promo_code import PromoCode, PromoCounter
from .redemption import Redemption

__all__ = ["Batch", "BudgetCounter", "Campaign", "Card", "PromoCode", "PromoCounter", "Redemption"]
