"""The study of a distributed PostgreSQL names a distribution key for every table, once."""

import re
from collections import Counter
from pathlib import Path

from django.apps import apps

STUDY = Path(__file__).resolve().parents[2] / "deploy/capacity.md"
APPS = ("billing", "promos", "orders")


def test_every_table_has_one_distribution_key() -> None:
    section = STUDY.read_text().partition("## The distribution key of every table")[2].partition("\n## ")[0]
    named = Counter(re.findall(rf"`((?:{'|'.join(APPS)})_\w+)`", section))
    models = (each for app in APPS for each in apps.get_app_config(app).get_models(include_auto_created=True))
    assert named == Counter(each._meta.db_table for each in models)
