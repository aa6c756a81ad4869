from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from billing.api.renderers import ExactJSONRenderer


def test_values_are_written_as_they_are() -> None:
    data = {
        "whole": 5,
        "exact": Decimal("5.25"),
        "baisa": Decimal("0.001"),
        "at": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "id": UUID(int=7),
        "name": "قسيمة",
        "none": None,
    }
    assert ExactJSONRenderer().render(data).decode() == (
        '{"whole":5,"exact":5.25,"baisa":0.001,"at":"2026-03-01T12:00:00Z",'
        '"id":"00000000-0000-0000-0000-000000000007","name":"قسيمة","none":null}'
    )


def test_nothing_is_an_empty_body() -> None:
    assert ExactJSONRenderer().render(None) == b""


def test_values_that_json_cannot_express_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        ExactJSONRenderer().render({"a": float("nan")})
