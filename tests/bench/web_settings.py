"""Production's settings, with the peers' views beside the service's own (`web_urls`)."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.web_urls"
