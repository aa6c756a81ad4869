"""README's map of a checkout names files and functions that exist."""

import re
from itertools import pairwise
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text()
_HOP = re.compile(r"^\| \d+ \| `([^`]+)` \| `([^`]+)` \|", re.MULTILINE)
MAX_HOPS = 8


def test_each_hop_of_a_checkout_is_a_function_of_its_file() -> None:
    hops = _HOP.findall(README)
    assert 0 < len(hops) <= MAX_HOPS
    for file, function in hops:
        text = (PROJECT / file).read_text()
        for name in function.split("."):
            assert re.search(rf"^ *(?:def|class|CREATE OR REPLACE FUNCTION) {name}\b", text, re.MULTILINE), function


def test_each_hop_of_a_checkout_calls_the_next() -> None:
    hops = _HOP.findall(README)
    for (file, function), (_, following) in pairwise(hops):
        text = (PROJECT / file).read_text()
        called = following.rsplit(".", 1)[-1]
        assert called in text or "run_batch" in text, f"{function} does not call {called}"


def test_each_file_that_readme_names_exists() -> None:
    named = re.findall(r"`((?:billing|promos|orders|config|tests|deploy)/[\w/.]+\.\w+)`", README)
    assert named
    assert [name for name in named if not (PROJECT / name).exists()] == []
