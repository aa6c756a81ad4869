"""The restore drill: a server is backed up, works on, dies with its disk, and is restored to a moment."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.operations.own_server import OwnServer, own_server


def grant(server: OwnServer, name: str, users: range) -> None:
    """Grant 5.000 to each of the users, in one act of that name."""
    file = server.top / f"{name}.txt"
    file.write_text("".join(f"user-{number}\n" for number in users))
    server.manage("grant_many", str(file), "--amount", "5", "--name", name, "--why", "a drill", "--by", "ops")


def entries(server: OwnServer) -> dict[str, int]:
    """Count the ledger's entries by the act that made them."""
    rows = server.psql("SELECT count(*), reason FROM billing_ledgerentry GROUP BY reason").splitlines()
    return {reason: int(number) for number, _, reason in (row.partition("|") for row in rows)}


def sign_head(server: OwnServer) -> str:
    """Sign a head of the ledger, as the worker does every night, and return what an operator publishes of it."""
    found = re.search(r"head (\d+:[0-9a-f]+)", server.manage("prove_ledger"))
    assert found
    return found[1]


def test_a_lost_server_is_restored_to_the_moment_before_a_mistake() -> None:
    with own_server() as server:
        server.manage("migrate", "--verbosity=0")
        grant(server, "before", range(40))
        base = server.run(server.top / "tools/take-backup", server.backup).strip()
        assert Path(base).parent == server.backup / "base"
        grant(server, "after", range(20, 60))
        head = sign_head(server)
        moment = server.psql("SELECT now()")
        known = entries(server)
        grant(server, "mistake", range(10))
        mistaken_head = sign_head(server)
        gap = server.psql("SELECT pg_walfile_name(pg_switch_wal())")
        server.psql("CREATE TABLE later ()")
        wait_for_archive(server, server.psql("SELECT pg_walfile_name(pg_switch_wal())"))
        server.kill()
        shutil.rmtree(server.data)

        refuse_what_cannot_be_restored(server, Path(base), gap)
        restore(server, "--until", moment)
        server.start()
        assert entries(server) == known
        assert "sound: 80 hashes follow" in server.manage("verify_ledger", "--chain")
        assert server.manage("verify_ledger", "--head", head).startswith("sound")
        with pytest.raises(AssertionError, match=f"head {mistaken_head.split(':')[0]}"):
            server.manage("verify_ledger", "--head", mistaken_head)
        assert server.manage("verify_redemptions").startswith("sound")
        assert server.manage("outside_calls", "status").startswith("held: ")
        with pytest.raises(AssertionError, match="is not empty"):
            restore(server, "--until", moment)
        server.manage("outside_calls", "release", "--by", "ops", "--why", "the drill is over")
        assert server.manage("outside_calls", "status").startswith("released: ")
        grant(server, "later", range(5))
        # The restored server archives its own history beside the old one.
        assert archive(server).startswith("00000002")
        known = entries(server)
        server.kill()
        shutil.rmtree(server.data)

        # Without a backup of the restored server, its history has to be named. A third one does not write over it.
        assert "--timeline 0x00000002 follows it" in restore(server)
        shutil.rmtree(server.data)
        restore(server, "--timeline", "2")
        server.start()
        assert entries(server) == known
        assert archive(server).startswith("00000004")
        assert server.run(server.top / "tools/take-backup", server.backup, KEEP="1").strip() != base
        assert len(list((server.backup / "base").iterdir())) == 1


def refuse_what_cannot_be_restored(server: OwnServer, base: Path, gap: str) -> None:
    """Try a wrong moment, a wrong option, a log without the segment `gap`, and a changed backup."""
    with pytest.raises(AssertionError, match="There is no backup that ended before 2020"):
        restore(server, "--until", "2020-01-01 00:00:00+00")
    with pytest.raises(AssertionError, match="recovery ended before configured recovery target was reached"):
        restore(server, "--until", "2999-01-01 00:00:00+00")
    with pytest.raises(AssertionError, match="--untill is no option"):
        restore(server, "--untill", "2999-01-01")
    (server.backup / "wal" / gap).rename(server.backup / "hidden")
    with pytest.raises(AssertionError, match="The log breaks off after the segment"):
        restore(server)
    (server.backup / "hidden").rename(server.backup / "wal" / gap)
    with changed_file(base), pytest.raises(AssertionError, match="checksum mismatch"):
        restore(server)
    # What failed leaves nothing that could be started.
    assert not server.data.exists() or list(server.data.iterdir()) == []


def restore(server: OwnServer, *options: str) -> str:
    return server.run(server.top / "tools/restore-backup", server.backup, server.data, "qasima", *options)


@contextmanager
def changed_file(base: Path) -> Iterator[None]:
    """Change one byte of a backup while the block runs."""
    file = base / "global/pg_control"
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    yield
    file.write_bytes(content)


def archive(server: OwnServer) -> str:
    """Archive the log up to now, and return the name of its last segment."""
    segment = server.psql("SELECT pg_walfile_name(pg_switch_wal())")
    wait_for_archive(server, segment)
    return segment


def wait_for_archive(server: OwnServer, segment: str) -> None:
    """Wait until the segment is archived. `pg_switch_wal` only asks for it."""
    deadline = time.monotonic() + 60
    while not (server.backup / "wal" / segment).exists():
        assert time.monotonic() < deadline, f"{segment} is not archived"
        time.sleep(0.05)
