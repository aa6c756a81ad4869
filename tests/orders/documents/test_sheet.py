"""The rows of a PDF's page."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils.translation import override

from orders.use_cases.documents.sheet import Sheet

LONG = (
    "The Very Long and Honourable Trading, Contracting, Logistics and General Maintenance House of Al Batinah North"
)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(
    ("name", "value"), [("Organization", LONG), (LONG, LONG), ("المؤسسة", "شركة الباطنة الشمالية " * 9), ("Due", "1")]
)
def test_a_long_value_does_not_cover_its_name(
    language: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[float, float]] = []
    write = Sheet.multi_cell

    def note(sheet: Sheet, width: float, *rest: Any, **options: Any) -> Any:
        written.append((sheet.get_x(), sheet.get_x() + width))
        return write(sheet, width, *rest, **options)

    with override(language):
        sheet = Sheet(title="Rows", made_at=datetime(2026, 11, 28, tzinfo=UTC))
        monkeypatch.setattr(Sheet, "multi_cell", note)
        sheet.rows([(name, value)])
        found = sorted(written)
        sheet.to_bytes()
    (_start, middle), (next_start, _end) = found
    assert middle <= next_start + 0.001


@pytest.mark.parametrize(
    ("language", "text", "direction"),
    [
        ("en", "2026-11-28 22:54:38", "ltr"),
        ("en", "شركة الباطنة", "rtl"),
        ("ar", "2026-11-28 22:54:38", "ltr"),
        ("ar", "20.000 OMR", "ltr"),
        ("ar", "=1+1", "ltr"),
        ("ar", "20.000 ر.ع", "rtl"),
        ("ar", "القسيمة AHLAN20", "rtl"),
    ],
)
def test_only_arabic_is_written_from_right_to_left(
    language: str, text: str, direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directions: list[object] = []
    shape = Sheet.set_text_shaping

    def note(sheet: Sheet, *rest: Any, **options: Any) -> None:
        directions.append(options["direction"])
        shape(sheet, *rest, **options)

    with override(language):
        sheet = Sheet(title="Rows", made_at=datetime(2026, 11, 28, tzinfo=UTC))
        monkeypatch.setattr(Sheet, "set_text_shaping", note)
        sheet.paragraph([text])
        found = list(directions)
        sheet.to_bytes()
    assert found == [direction]
