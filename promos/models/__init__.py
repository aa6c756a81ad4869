from .campaign import BudgetCounter, Campaign
from .promo_code import PromoCode, PromoCounter
from .redemption import Redemption

__all__ = ["BudgetCounter", "Campaign", "PromoCode", "PromoCounter", "Redemption"]
