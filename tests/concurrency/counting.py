"""How often a code was redeemed, as the service tells it."""

from promos.models import PromoCode
from promos.queries import codes_with_use


def times_redeemed(promo_code: PromoCode) -> int:
    # An annotation, which the model's type does not know.
    return int(vars(codes_with_use().get(id=promo_code.pk))["times_redeemed"])
