"""The settings of tests, with a Stripe at the address in the environment."""

import os

from tests.settings import *  # noqa: F403

STRIPE_API_BASE = os.environ["SILENT_STRIPE"]
INITIAL_STRIPE_SECRET_KEY = "sk_test_silent"
