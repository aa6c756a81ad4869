"""Staff preview the mails to customers, in both languages."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.actor import AUDITOR, DEALER
from orders.use_cases.mail.queue_mail import Mail
from orders.use_cases.mail.sample_mails import compose_sample, sample_names
from tests.billing.mail.test_compose_mail import Reader
from tests.console import client_of, create_user

pytestmark = pytest.mark.django_db


def test_every_mail_can_be_previewed() -> None:
    client = client_of(create_user(AUDITOR))
    page = client.get(reverse("admin:orders_order_mails")).content.decode()
    assert {mail.value for mail in Mail} <= set(sample_names())
    for name in sample_names():
        for language, direction in (("en", "ltr"), ("ar", "rtl")):
            address = reverse("admin:orders_order_mail", args=[name, language])
            assert f'href="{address}"' in page
            mail = client.get(address).content.decode()
            assert f'<html lang="{language}" dir="{direction}">' in mail and "{{" not in mail
            assert Reader(mail).open == []
            text = client.get(f"{address}?as=text").content.decode()
            assert text.partition("\n")[0] == compose_sample(name, language=language).subject


def test_others_see_no_mail() -> None:
    address = reverse("admin:orders_order_mail", args=["renewed", "en"])
    assert client_of(create_user(DEALER)).get(address).status_code == 403
    assert Client().get(address).status_code == 302
    staff = client_of(create_user(AUDITOR))
    assert staff.post(address).status_code == 403
    assert staff.get(address.replace("renewed", "unknown")).status_code == 404
    assert staff.get(address.replace("/en/", "/de/")).status_code == 404
