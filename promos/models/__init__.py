from .promo_code import PromoCode, PromoCounter
from .redemption import Redemption

__all__ = ["PromoCode", "PromoCounter", "Redemption"]
