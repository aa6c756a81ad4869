"""The name servers that look domains up are read from the environment."""

import pytest

from tests.config.test_settings import COMPLETE, read, refusal


def test_addresses_have_a_port_or_the_usual_one() -> None:
    given = COMPLETE | {"DNS_RESOLVERS": "10.0.0.53, 127.0.0.1:5353, 2001:db8::53, [::1]:54"}
    assert read("DNS_RESOLVERS", given) == [
        [["10.0.0.53", 53], ["127.0.0.1", 5353], ["2001:db8::53", 53], ["::1", 54]]
    ]
    assert read("DNS_RESOLVERS", COMPLETE) == [[]]


@pytest.mark.parametrize("text", ["dns.example.om", "10.0.0.300", "10.0.0.1:0", "10.0.0.1:70000", "[::1", "::1:x"])
def test_another_text_is_refused(text: str) -> None:
    assert "DNS_RESOLVERS must be" in refusal(COMPLETE | {"DNS_RESOLVERS": text})
