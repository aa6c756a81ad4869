"""Users by their proved addresses."""

import pytest

from billing.use_cases.identity.users import find_user, has_proved_address, vouch_for_address
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_an_address_entered_in_capitals_is_proved() -> None:
    user = UserFactory.create(email="Noor@Example.org")
    assert not has_proved_address(user)
    vouch_for_address(user=user)
    assert has_proved_address(user)
    assert find_user(address="noor@example.org") == user
