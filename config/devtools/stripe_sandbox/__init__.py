"""A stateful stand-in for Stripe's API, on its own port, for the demo and the tests only.

It speaks HTTP as Stripe does, so that the official `stripe` library works against it unchanged, keeps what it was
told in one SQLite file, shows a page to pay, refuse or leave, signs and delivers webhooks, and has switches for
every way in which Stripe, the network or a webhook can fail us. `resources/` holds the API of each kind of object,
the modules beside it what all of them share; `control.py` is the control surface.

What it reproduces is said where it is reproduced. What no stand-in can prove: that Stripe accepts an account's
country and currencies, 3-D Secure, fraud checks, taxes, fees and payouts, real delivery times, and that Stripe's
rules have not changed since API version `stripe.api_version` of the pinned library.
"""
