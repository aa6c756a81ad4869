"""Profiles of hypothesis: the usual one runs the same examples within a minute.

PROPERTIES=thorough plays longer games at random. A failure is printed as a line to add to the test
(`@reproduce_failure`).
"""

import os

from hypothesis import HealthCheck, settings

# A slow machine is no finding.
PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "usual",
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=100,
    stateful_step_count=25,
    suppress_health_check=PATIENT,
)
settings.register_profile(
    "thorough",
    deadline=None,
    database=None,
    print_blob=True,
    max_examples=1_500,
    stateful_step_count=100,
    suppress_health_check=PATIENT,
)
settings.load_profile(os.environ.get("PROPERTIES", "usual"))
