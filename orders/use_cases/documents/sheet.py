"""The pages of a PDF. Only functions import this module: its library takes a tenth of a web server's start.

The font has Latin and Arabic letters; HarfBuzz joins the Arabic ones. In Arabic the sheet is mirrored.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from tempfile import NamedTemporaryFile
from typing import IO

import pymupdf_fonts
from django.utils.translation import get_language, gettext
from fpdf import FPDF
from fpdf.fonts import TTFFont

FAMILY = "FiraGO"
_FONTS = {"": "figo", "B": "figbo"}
_MARGIN, _GAP = 20, 5
_LINE, _SMALL, _NORMAL, _LARGE = 5.5, 9, 10, 18
_LONGEST_NAME = 0.6
_INK, _SOFT, _RULE = 30, 105, 205
_SHAPING_TABLES = {"GDEF", "GPOS", "GSUB"}
_ARABIC = re.compile("[\u0600-\u06ff]")


class Sheet(FPDF):
    """Pages of A4 with rows of names and amounts, from left to right or, in Arabic, from right to left.

    Args: made_at: the time that the file states, so that it is the same each time.
    """

    def __init__(self, *, title: str, made_at: datetime) -> None:
        super().__init__(format="A4")
        self.is_mirrored = get_language() == "ar"
        self.set_margin(_MARGIN)
        self.set_auto_page_break(True, margin=_MARGIN)
        for style, name in _FONTS.items():
            self.add_font(FAMILY, style, _font(name).name)
        self.set_title(title)
        self.set_lang("ar" if self.is_mirrored else "en")
        self.set_creation_date(made_at)
        self.set_producer("")
        self.add_page()

    def to_bytes(self) -> bytes:
        """Returns the file.

        The text is shaped, so the tables for shaping go: the library would read all of them to embed the letters.
        """
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                for table in _SHAPING_TABLES & set(font.ttfont.keys()):
                    del font.ttfont[table]
        return bytes(self.output())

    def footer(self) -> None:
        """Numbers the page. The base class calls it."""
        self.set_y(-_MARGIN + _GAP)
        page = gettext("Page %(page)s") % {"page": self.page_no()}
        self._write(page, size=_SMALL, soft=True, at_end=True)

    def heading(self, text: str, *, large: bool = False) -> None:
        # Its first rows stand on the same page.
        if self.will_page_break(8 + 3 * _LINE):
            self.add_page()
        self._write(text, bold=True, size=_LARGE if large else 11, height=12 if large else 8)

    def paragraph(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._write(line)
        self.ln(_GAP)

    def rows(self, rows: Sequence[tuple[str, str]], *, last_is_total: bool = False) -> None:
        """Writes rows of a name and a value, with a rule below each."""
        for position, (name, value) in enumerate(rows, start=1):
            bold = last_is_total and position == len(rows)
            if self.will_page_break(_LINE + 3):
                self.add_page()
            part = self._part_of_name(name, bold=bold)
            self._row((name, value), widths=(part, 1 - part), amounts=1, bold=bold, size=_NORMAL)
        self.ln(_GAP)

    def columns(self, rows: Iterable[Sequence[str]], *, widths: Sequence[float], amounts: int = 2) -> None:
        """Writes a table whose first row is its head, with a rule below each row. Its head stands on each page.

        Args: widths: of the columns, as parts of the page's. amounts: how many columns at the end have amounts.
        """
        head: Sequence[str] = ()
        for row in rows:
            head = head or row
            if self.will_page_break(2 * _LINE + 3):
                self.add_page()
                self._row(head, widths=widths, amounts=amounts, bold=True)
            self._row(row, widths=widths, amounts=amounts, bold=row is head)
        self.ln(_GAP)

    def _part_of_name(self, name: str, *, bold: bool) -> float:
        """Returns the part of the page's width that a name needs. A long value has the rest, and breaks its lines."""
        self.set_font(FAMILY, "B" if bold else "", _NORMAL)
        self.set_text_shaping(False)
        needed: float = self.get_string_width(name) + 2 * self.c_margin + 1
        return min(needed / self.epw, _LONGEST_NAME)

    def _row(
        self, cells: Sequence[str], *, widths: Sequence[float], amounts: int, bold: bool, size: float = _SMALL
    ) -> None:
        top = bottom = self.get_y() + 1
        x = self.w - _MARGIN if self.is_mirrored else _MARGIN
        for position, (cell, part) in enumerate(zip(cells, widths, strict=True)):
            width = part * self.epw
            self.set_xy(x - width if self.is_mirrored else x, top)
            self._write(cell, bold=bold, size=size, at_end=position >= len(cells) - amounts, width=width)
            bottom = max(bottom, self.get_y())
            x += -width if self.is_mirrored else width
        self.set_y(bottom + 1)
        self.set_draw_color(_RULE)
        self.line(_MARGIN, self.get_y(), self.w - _MARGIN, self.get_y())

    def _write(
        self,
        text: str,
        *,
        width: float = 0,
        bold: bool = False,
        size: float = _NORMAL,
        height: float = _LINE,
        soft: bool = False,
        at_end: bool = False,
    ) -> None:
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(_SOFT if soft else _INK)
        has_arabic = bool(_ARABIC.search(text))
        # What has no Arabic letters keeps its order: a day stands before its time, an amount before its currency.
        from_right = has_arabic and (self.is_mirrored or bool(_ARABIC.match(text)))
        # Latin letters alone need no shaping, which measures every letter by itself and costs four fifths of a page.
        self.set_text_shaping(self.is_mirrored or has_arabic, direction="rtl" if from_right else "ltr")
        align = "L" if at_end == self.is_mirrored else "R"
        self.multi_cell(width or self.epw, height, text, align=align, new_x="LMARGIN", new_y="NEXT")


@cache
def _font(name: str) -> IO[bytes]:
    """Writes the font to a file, which the library reads. It exists as long as this process."""
    file = NamedTemporaryFile(suffix=".ttf")
    file.write(pymupdf_fonts.fontbuffers[name]())
    file.flush()
    return file
