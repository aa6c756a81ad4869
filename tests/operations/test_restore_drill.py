"""The restore drill: a server is backed up, works on, dies with its disk, and is restored to a moment."""

import shutil
import time
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


def test_a_lost_server_is_restored_to_the_moment_before_a_mistake() -> None:
    with own_server() as server:
        server.manage("migrate", "--verbosity=0")
        grant(server, "before", range(40))
        base = server.run(server.top / "tools/take-backup", server.backup).strip()
        assert Path(base).parent == server.backup / "base"
        grant(server, "after", range(20, 60))
        moment = server.psql("SELECT now()")
        known = entries(server)
        grant(server, "mistake", range(10))
        wait_for_archive(server, server.psql("SELECT pg_walfile_name(pg_switch_wal())"))
        server.kill()
        shutil.rmtree(server.data)

        with pytest.raises(AssertionError, match="There is no backup that ended before 2020"):
            restore(server, "2020-01-01 00:00:00+00")
        restore(server, moment)
        server.start()
        assert entries(server) == known
        assert server.manage("verify_ledger") == "sound: 80 entries of 60 accounts add up\n"
        assert server.manage("verify_redemptions").startswith("sound")
        assert server.manage("outside_calls", "status").startswith("held: ")
        with pytest.raises(AssertionError, match="is not empty"):
            restore(server, moment)
        server.manage("outside_calls", "release", "--by", "ops", "--why", "the drill is over")
        assert server.manage("outside_calls", "status").startswith("released: ")
        grant(server, "later", range(5))
        # The restored server archives its own history beside the old one.
        server.psql("SELECT pg_switch_wal()")
        assert server.run(server.top / "tools/take-backup", server.backup, KEEP="1").strip() != base
        assert len(list((server.backup / "base").iterdir())) == 1


def restore(server: OwnServer, until: str) -> None:
    server.run(server.top / "tools/restore-backup", server.backup, server.data, "qasima", "--until", until)


def wait_for_archive(server: OwnServer, segment: str) -> None:
    """Wait until the segment is archived. `pg_switch_wal` only asks for it."""
    deadline = time.monotonic() + 60
    while not (server.backup / "wal" / segment).exists():
        assert time.monotonic() < deadline, f"{segment} is not archived"
        time.sleep(0.05)
