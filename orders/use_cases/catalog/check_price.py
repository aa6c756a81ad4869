from django.conf import settings

from billing.language import say
from billing.money import format_money
from orders.errors import PriceNotChargeable
from orders.models.charge import nearest_charges


def check_price(price_minor: int) -> None:
    """Checks that Stripe can charge the price by itself; a price of zero is not charged.

    Raises: PriceNotChargeable, naming the nearest prices that can be charged.
    """
    currency = settings.SOVEREIGN_CURRENCY
    nearest = nearest_charges(price_minor, currency=currency, minimum_minor=settings.STRIPE_MINIMUM_CHARGE_MINOR)
    if price_minor in nearest:
        return
    texts = [format_money(each, currency=currency) for each in nearest]
    price = format_money(price_minor, currency=currency)
    if len(texts) > 1:
        sentence = say(
            "%(price)s cannot be charged to a card; the nearest prices are %(lower)s and %(higher)s",
            price=price,
            lower=texts[0],
            higher=texts[1],
        )
    else:
        sentence = say(
            "%(price)s cannot be charged to a card; the nearest price is %(nearest)s", price=price, nearest=texts[0]
        )
    raise PriceNotChargeable(sentence, fields={"price_minor": [sentence]})
