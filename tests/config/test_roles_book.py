"""The book of roles says what the code does."""

import os

import pytest

from tests.roles_book import BOOK, book


@pytest.mark.django_db
def test_the_book_of_roles_is_up_to_date() -> None:
    text = book()
    if os.environ.get("WRITE_ROLES_BOOK"):
        BOOK.write_text(text)
    assert BOOK.read_text() == text, "WRITE_ROLES_BOOK=1 with this test writes the book anew: check what changes"
