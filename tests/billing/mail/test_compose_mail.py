"""A mail says the same in text and in HTML, in the language of its reader, and its HTML is safe and plain."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core import mail
from django.utils.functional import lazy

from billing.money import local_money
from billing.use_cases.mail.compose_mail import Block, compose_mail, read_blocks
from billing.use_cases.mail.send_templated_mail import send_templated_mail

RECEIPT: dict[str, Any] = {
    "organization": "Ada <Bakery>",
    "order": "01a206fe",
    "date": "1 March 2027",
    "lines": [{"name": "M", "price": lazy(local_money, str)(9_000, currency="OMR")}],
    "total": lazy(local_money, str)(9_000, currency="OMR"),
    "from_credit": lazy(local_money, str)(9_000, currency="OMR"),
    "balance": lazy(local_money, str)(1_000, currency="OMR"),
}
PAST_DUE: dict[str, Any] = {
    "organization": "Ada Bakery",
    "from": "1 March 2027",
    "until": "1 April 2027",
    "amount": "9.000 OMR",
    "due": "9.000 OMR",
    "link": "https://checkout.example/c/pay?a=1&b=2",
    "by_card": False,
    "grace_days": 7,
}


class Reader(HTMLParser):
    """Reads the tags, attributes and text of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("template", "context"), [("payment_received", RECEIPT), ("past_due", PAST_DUE)])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_html_says_what_the_text_says_and_loads_nothing(
    template: str, context: dict[str, Any], language: str
) -> None:
    composed = compose_mail(template=f"mail/{template}.txt", context=context, language=language)
    read = Reader(composed.html)
    assert read.open == []
    assert set(read.tags) <= set("html head meta title body table tr td p br a bdi".split())
    assert {name for name, _ in read.attributes} <= set("charset name content lang dir role style href rel".split())
    values = dict(read.attributes)
    assert (values["lang"], "rtl" in composed.html) == (language, language == "ar")
    assert "url(" not in composed.html
    shown = re.sub("[ \n]+", " ", read.text)
    for line in composed.text.replace(PAST_DUE["link"], "").split("\n"):
        for part in line.rpartition(": ") if line.startswith("  ") else [line]:
            assert part.strip(": ") in shown, line


def test_names_are_escaped_and_the_link_is_a_button() -> None:
    composed = compose_mail(template="mail/payment_received.txt", context=RECEIPT)
    assert "Ada &lt;Bakery&gt;" in composed.html and "<Bakery>" not in composed.html
    assert "Ada <Bakery>" in composed.text
    button = compose_mail(template="mail/past_due.txt", context=PAST_DUE).html
    assert 'href="https://checkout.example/c/pay?a=1&amp;b=2"' in button and ">Pay now</a>" in button


def test_a_mail_is_written_in_the_readers_language() -> None:
    composed = compose_mail(template="mail/payment_received.txt", context=RECEIPT, language="ar")
    assert composed.subject == "إيصال Ada <Bakery> من Sovereign"
    assert "  M: \u200f9.000\xa0ر.ع\n" in composed.text
    assert compose_mail(template="mail/payment_received.txt", context=RECEIPT, language="xx").subject == (
        "Sovereign: receipt for Ada <Bakery>"
    )


def test_the_parts_of_a_text() -> None:
    text = "One\nTwo\n  A: 1\n  B: c: 2\nThree\n\n  123456\n\n  https://pay.example/x\n"
    assert list(read_blocks(text)) == [
        Block(lines=("One", "Two")),
        Block(rows=(("A", "1"), ("B: c", "2"))),
        Block(lines=("Three",)),
        Block(emphasis="123456"),
        Block(link="https://pay.example/x"),
    ]


@pytest.mark.django_db
def test_both_forms_are_sent(settings: Any) -> None:
    settings.SUPPORT_CONTACT, settings.BRAND_COLOR = "help@example.om", "#00563f"
    send_templated_mail(template="mail/past_due.txt", context=PAST_DUE, address="ada@example.org", language="ar")
    message: Any = mail.outbox[0]
    assert message.body.startswith("قيمة الشهر من 1 March 2027 إلى 1 April 2027")
    [(html, kind)] = message.alternatives
    assert kind == "text/html" and "#00563f" in html and 'href="mailto:help@example.om"' in html
