"""The lookups run against real name servers. A question without an answer is a result of its own."""

import time

import pytest

from orders.dns import MAX_ALIASES, NameLookup, NameServersSilent, NoSuchName

from .name_server import SILENCE, NameServer


def test_an_alias_is_followed_to_its_end(name_server: NameServer) -> None:
    name_server.add("shop.example.com", "CNAME", "Edge.Example.net")
    name_server.add("edge.example.net", "CNAME", "acme.sovereign.example")
    name_server.add("acme.sovereign.example", "A", "192.0.2.1")
    found = NameLookup().aliases_of("shop.example.com")
    assert found == ["edge.example.net", "acme.sovereign.example"]


def test_an_alias_of_nothing_ends_there(name_server: NameServer) -> None:
    name_server.add("shop.example.com", "CNAME", "gone.example.net")
    assert NameLookup().aliases_of("shop.example.com") == ["gone.example.net"]


def test_a_circle_of_aliases_ends(name_server: NameServer) -> None:
    name_server.add("a.example.com", "CNAME", "b.example.com")
    name_server.add("b.example.com", "CNAME", "a.example.com")
    assert NameLookup().aliases_of("a.example.com") == ["b.example.com", "a.example.com"]


def test_a_long_chain_is_followed_no_further_than_the_limit(name_server: NameServer) -> None:
    for number in range(20):
        name_server.add(f"a{number}.example.com", "CNAME", f"a{number + 1}.example.com")
    assert len(NameLookup().aliases_of("a0.example.com")) == MAX_ALIASES


def test_a_name_with_other_records_is_no_alias(name_server: NameServer) -> None:
    name_server.add("example.com", "A", "192.0.2.1")
    assert NameLookup().aliases_of("example.com") == []


def test_an_unknown_name_is_no_such_name(name_server: NameServer) -> None:
    with pytest.raises(NoSuchName):
        NameLookup().aliases_of("shop.example.com")
    assert NameLookup().addresses_of("shop.example.com") == set()
    assert NameLookup().texts_of("shop.example.com") == []


@pytest.mark.parametrize("failure", ["SERVFAIL", "REFUSED", SILENCE])
def test_an_unanswered_question_says_nothing_of_the_name(name_server: NameServer, failure: str) -> None:
    name_server.failures["shop.example.com"] = failure
    began = time.monotonic()
    with pytest.raises(NameServersSilent):
        NameLookup().aliases_of("shop.example.com")
    assert time.monotonic() - began < 3


def test_all_questions_of_a_lookup_share_its_time(name_server: NameServer) -> None:
    name_server.add("shop.example.com", "CNAME", "edge.example.net")
    name_server.failures["edge.example.net"] = SILENCE
    lookup = NameLookup()
    with pytest.raises(NameServersSilent):
        lookup.aliases_of("shop.example.com")
    asked = len(name_server.questions)
    with pytest.raises(NameServersSilent):
        lookup.texts_of("shop.example.com")
    assert len(name_server.questions) == asked


def test_addresses_and_texts_are_read(name_server: NameServer) -> None:
    name_server.add("example.com", "A", "192.0.2.1", "192.0.2.2")
    name_server.add("example.com", "AAAA", "2001:db8::1")
    name_server.add("example.com", "TXT", '"one" "two"', '"three"')
    assert NameLookup().addresses_of("example.com") == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    assert sorted(NameLookup().texts_of("example.com")) == ["onetwo", "three"]


@pytest.mark.parametrize(
    ("server", "provider"),
    [("ada.ns.cloudflare.com", "Cloudflare"), ("ns-1.awsdns-02.org", "Amazon Route 53"), ("ns1.example.net", "")],
)
def test_the_provider_is_known_by_the_zones_name_servers(name_server: NameServer, server: str, provider: str) -> None:
    name_server.add("example.com", "NS", server)
    name_server.add("shop.example.com", "A", "192.0.2.1")
    assert NameLookup().provider_of("a.shop.example.com") == provider


def test_an_unknown_provider_is_no_error(name_server: NameServer) -> None:
    assert NameLookup().provider_of("shop.example.com") == ""
    name_server.failures["shop.example.com"] = "SERVFAIL"
    assert NameLookup().provider_of("shop.example.com") == ""
