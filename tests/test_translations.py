"""The Arabic catalog is complete, and no page or mail holds a sentence that is not translated."""

import re
from datetime import UTC, datetime
from pathlib import Path

import polib
import pytest
from django.template.base import Node, TextNode
from django.utils import translation
from django.utils.formats import date_format

from config.parts.catalogs import compile_catalogs
from tests.translations import CATALOG, Message, load_nodes, messages, template_names

# The language switch, which names each language in itself, and classes for the width of a page.
# Icons are named by words too.
NOT_TO_TRANSLATE = {"English", "العربية", "broad", "narrow", *"dock to right menu chevron".split()}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?\w+[^>]*>")
# What a reader may see or hear of a tag.
_SPOKEN = re.compile(r'\b(?:aria-label|alt|title|placeholder)="([^"]*)"')


def test_the_catalog_holds_every_sentence_and_no_other() -> None:
    entries = {
        Message(text=entry.msgid, plural=entry.msgid_plural, context=entry.msgctxt or "")
        for entry in polib.pofile(str(CATALOG))
        if not entry.obsolete
    }
    assert entries == set(messages()), "run python -m tests.translations"


def test_every_sentence_is_translated_with_its_placeholders() -> None:
    for entry in polib.pofile(str(CATALOG)):
        forms = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        assert all(forms) and not entry.fuzzy, entry.msgid
        if entry.msgid_plural:
            # Arabic has six plural forms. Those of none, one and two need no figure.
            assert len(forms) == 6, entry.msgid
            forms, original = forms[3:], entry.msgid_plural
        else:
            original = entry.msgid
        for form in forms:
            assert sorted(_PLACEHOLDER.findall(form)) == sorted(_PLACEHOLDER.findall(original)), entry.msgid
            assert form.endswith(".") == original.endswith("."), entry.msgid


def written_text(nodes: list[Node]) -> str:
    """Return the text of a template, with a mark in place of each tag and variable of the template language."""
    return "".join(node.s if isinstance(node, TextNode) else "\0" for node in nodes)


def test_no_template_holds_text_that_is_not_translated() -> None:
    untranslated = {}
    for name in template_names():
        markup = written_text(load_nodes(name).get_nodes_by_type(Node))
        words = [*_SPOKEN.findall(markup), re.sub(r"<[^>]*>", " ", markup) if name.endswith(".html") else markup]
        letters = {word for text in words for word in re.findall(r"[^\W\d_]{2,}", text)} - NOT_TO_TRANSLATE
        if letters:
            untranslated[name] = letters
    assert untranslated == {}


@pytest.mark.parametrize(
    ("name", "english", "arabic"),
    [
        ("LONG_DATE", "7 March 2026", "7 مارس 2026"),
        ("SHORT_MOMENT", "7 Mar 2026, 17:05", "7 مارس 2026، 5:05\xa0م"),
        ("MOMENT_OF_YEAR", "7 March, 17:05", "7 مارس، 5:05\xa0م"),
    ],
)
def test_dates_are_written_as_their_readers_write_them(name: str, english: str, arabic: str) -> None:
    moment = datetime(2026, 3, 7, 17, 5, tzinfo=UTC)
    assert date_format(moment, name) == english
    with translation.override("ar"):
        assert date_format(moment, name) == arabic


@pytest.mark.parametrize(
    ("number", "form"), [(1, "يومًا واحدًا"), (2, "يومين"), (7, "7 أيام"), (30, "30 يومًا"), (100, "100 يوم")]
)
def test_arabic_chooses_among_its_plural_forms(number: int, form: str) -> None:
    with translation.override("ar"):
        text = translation.ngettext(
            "The credit is valid for %(days)d day after you redeem the voucher.",
            "The credit is valid for %(days)d days after you redeem the voucher.",
            number,
        )
    assert form in text % {"days": number}


def test_a_catalog_is_compiled_once_for_each_change(tmp_path: Path) -> None:
    folder = tmp_path / "ar" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_bytes(CATALOG.read_bytes())
    assert compile_catalogs(tmp_path) == [folder / "django.mo"]
    assert compile_catalogs(tmp_path) == []
    assert polib.mofile(str(folder / "django.mo")).find("Shop").msgstr == "المتجر"
