"""The currencies of a deployment, and what Stripe accepts in each: https://docs.stripe.com/currencies.

The service counts money in the units of Stripe's API, so that an amount is the same integer here and there. Three
currencies therefore differ from ISO 4217: ISK and UGX have two decimals, both 0, and MGA has none. HUF and TWD
have two decimals; Stripe's rule of whole units for them concerns payouts, and this service makes none.
"""

from dataclasses import dataclass

_ZERO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THREE_DECIMALS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
# Amounts must end in these: the last digit of a three-decimal currency is 0, and so are both decimals of ISK and UGX.
_STEPS = dict.fromkeys(_THREE_DECIMALS, 10) | {"ISK": 100, "UGX": 100}
# The largest charge, in the currency's smallest unit: an amount has at most eight digits, in IDR twelve.
_MAXIMUM, _MAXIMUM_IDR = 99_999_999, 999_999_999_999

# The smallest charge, in the currency's smallest unit. Stripe documents these.
_DOCUMENTED_MINIMA = {
    "AED": 200,
    "AUD": 50,
    "BGN": 100,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 1500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17_500,
    "INR": 50,
    "JPY": 50,
    "MXN": 1000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "SGD": 50,
    "THB": 1000,
    "USD": 50,
}
# Stripe converts its minimum into the other currencies, and it is about half a US dollar. These amounts lie a little
# above that. Rates move: STRIPE_MINIMUM_CHARGE_MINOR replaces the amount for a deployment.
_OTHER_MINIMA = {
    "AFN": 4200,
    "ALL": 5100,
    "AMD": 24_000,
    "ANG": 110,
    "AOA": 56_000,
    "ARS": 87_000,
    "AWG": 110,
    "AZN": 110,
    "BAM": 110,
    "BBD": 120,
    "BDT": 7400,
    "BHD": 190,
    "BIF": 1800,
    "BMD": 60,
    "BND": 78,
    "BOB": 600,
    "BSD": 60,
    "BWP": 810,
    "BYN": 180,
    "BZD": 120,
    "CDF": 180_000,
    "CLP": 570,
    "CNY": 430,
    "COP": 250_000,
    "CRC": 31_000,
    "CVE": 5700,
    "DJF": 110,
    "DOP": 3800,
    "DZD": 7800,
    "EGP": 2900,
    "ETB": 9000,
    "FJD": 140,
    "FKP": 45,
    "GEL": 170,
    "GIP": 45,
    "GMD": 4400,
    "GNF": 5300,
    "GTQ": 470,
    "GYD": 13_000,
    "HNL": 1600,
    "HTG": 7900,
    "IDR": 1_100_000,
    "ILS": 210,
    "ISK": 7500,
    "JMD": 9600,
    "JOD": 360,
    "KES": 7800,
    "KGS": 5300,
    "KHR": 250_000,
    "KMF": 260,
    "KRW": 870,
    "KWD": 160,
    "KYD": 50,
    "KZT": 32_000,
    "LAK": 1_400_000,
    "LBP": 5_400_000,
    "LKR": 19_000,
    "LRD": 11_000,
    "LSL": 1100,
    "MAD": 560,
    "MDL": 1100,
    "MGA": 2700,
    "MKD": 3200,
    "MMK": 240_000,
    "MNT": 220_000,
    "MOP": 480,
    "MUR": 2800,
    "MVR": 930,
    "MWK": 110_000,
    "MZN": 3900,
    "NAD": 1100,
    "NGN": 87_000,
    "NIO": 2300,
    "NPR": 8600,
    "OMR": 200,
    "PAB": 60,
    "PEN": 210,
    "PGK": 260,
    "PHP": 3600,
    "PKR": 17_000,
    "PYG": 4200,
    "QAR": 220,
    "RSD": 6100,
    "RUB": 4800,
    "RWF": 880,
    "SAR": 230,
    "SBD": 500,
    "SCR": 840,
    "SHP": 45,
    "SLE": 1400,
    "SOS": 35_000,
    "SRD": 2300,
    "SZL": 1100,
    "TJS": 560,
    "TND": 1600,
    "TOP": 150,
    "TRY": 2600,
    "TTD": 410,
    "TWD": 1900,
    "TZS": 150_000,
    "UAH": 2600,
    "UGX": 220_000,
    "UYU": 2400,
    "UZS": 720_000,
    "VND": 16_000,
    "VUV": 74,
    "WST": 170,
    "XAF": 340,
    "XCD": 170,
    "XCG": 110,
    "XOF": 340,
    "XPF": 62,
    "YER": 15_000,
    "ZAR": 1100,
    "ZMW": 1400,
}


@dataclass(frozen=True)
class Currency:
    """A currency's decimals, the step of amounts that can be charged, the smallest and the largest charge."""

    exponent: int
    charge_step: int
    minimum_charge_minor: int
    maximum_charge_minor: int


CURRENCIES: dict[str, Currency] = {
    code: Currency(
        exponent=3 if code in _THREE_DECIMALS else 0 if code in _ZERO_DECIMALS else 2,
        charge_step=_STEPS.get(code, 1),
        minimum_charge_minor=minimum,
        maximum_charge_minor=_MAXIMUM_IDR if code == "IDR" else _MAXIMUM,
    )
    for code, minimum in (_DOCUMENTED_MINIMA | _OTHER_MINIMA).items()
}


# The signs of currencies as people write them in Arabic. Other currencies keep their code.
ARABIC_SIGNS = {
    "AED": "د.إ",
    "BHD": "د.ب",
    "EGP": "ج.م",
    "JOD": "د.أ",
    "KWD": "د.ك",
    "OMR": "ر.ع",
    "QAR": "ر.ق",
    "SAR": "ر.س",
}


def currencies_of_step(charge_step: int) -> list[str]:
    """Returns the currencies whose amounts must be multiples of the step."""
    return sorted(code for code, currency in CURRENCIES.items() if currency.charge_step == charge_step)
