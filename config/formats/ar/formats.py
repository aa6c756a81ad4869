"""The habits of Oman: Western digits, the Gregorian months of the Gulf, and hours of twelve with ص and م."""

LONG_DATE = "j F Y"
SHORT_DATE = "j F Y"
LONG_MOMENT = "j F Y، g:i\N{NO-BREAK SPACE}A"
SHORT_MOMENT = "j F Y، g:i\N{NO-BREAK SPACE}A"
MOMENT_OF_YEAR = "j F، g:i\N{NO-BREAK SPACE}A"
ZONED_MOMENT = "j F Y، g:i\N{NO-BREAK SPACE}A (T)"
