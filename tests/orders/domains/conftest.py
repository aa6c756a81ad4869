from collections.abc import Iterator

import pytest

from .name_server import NameServer, running_name_server


@pytest.fixture
def name_server() -> Iterator[NameServer]:
    with running_name_server() as server:
        yield server
