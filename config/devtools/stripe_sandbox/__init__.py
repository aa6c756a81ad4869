"""A stateful stand-in for Stripe's API, on its own port, for the demo and the tests only.

It speaks Stripe's HTTP API, so that the official `stripe` library works with it unchanged. It keeps its state in
one SQLite file, shows a page on which a customer pays, declines or leaves, and signs and delivers webhooks. It has
switches for every way in which Stripe, the network or a webhook can fail.

- `resources/`: the API of each kind of object.
- `protocol/`: the rules that all of the API shares.
- `pages/`: the HTML pages.
- `control.py`: the control API for tests and the demo.

Each module says what it reproduces and what it does not. A stand-in cannot prove that Stripe accepts an account's
country and currencies, nor 3-D Secure, fraud checks, taxes, real delivery times or pending balances, nor that
Stripe's rules have not changed since API version `stripe.api_version` of the pinned library.
"""
