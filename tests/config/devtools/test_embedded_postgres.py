"""The launcher of the embedded PostgreSQL, with real processes that are really killed."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.config.devtools.embedded_postgres_installation import (
    Installation,
    installed,
    is_alive,
    kill_process,
    share_programs,
    until,
)

AS_WHOM = ["ourselves", "an ordinary user"] if os.geteuid() == 0 else ["ourselves"]
LONGEST_SOCKET_PATH = 100
FORK = """
import os, sys, time
from config.devtools.embedded_postgres import ensure_running
ensure_running()
child = os.fork()
if child == 0:
    time.sleep(600)
print("ready", flush=True)
print(child, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """Provide a directory for the data of root's installations, and copies of the programs."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="qasima-base-") as directory:
        os.chmod(directory, 0o755)  # noqa: S103 - the server runs as another user
        if os.geteuid() == 0:
            share_programs(Path(directory))
        yield Path(directory)


@pytest.fixture(params=AS_WHOM)
def installation(request: pytest.FixtureRequest, base: Path) -> Iterator[Installation]:
    """Provide an installation, as root once as root and once as an ordinary user."""
    with installed(base, as_ordinary_user=request.param == "an ordinary user") as made:
        yield made


@pytest.fixture
def ours(base: Path) -> Iterator[Installation]:
    """Provide an installation of the user who runs the tests."""
    with installed(base, as_ordinary_user=False) as made:
        yield made


def test_server_runs_while_it_is_used_and_stops_after_its_last_user(installation: Installation) -> None:
    first, second = installation.use(), installation.use()
    postmaster = installation.postmaster()
    installation.leave(first)
    assert installation.query("SELECT 1") == [(1,)]
    assert installation.postmaster() == postmaster
    installation.leave(second)
    until(installation.is_stopped)


def test_data_survives_a_restart(ours: Installation) -> None:
    ours.environment["QASIMA_POSTGRES_CLUSTER"] = "demo"
    user = ours.use()
    ours.query("CREATE TABLE kept AS SELECT 7 AS number")
    assert ours.query("SHOW fsync") == [("on",)]
    ours.leave(user)
    until(ours.is_stopped)
    ours.use()
    assert ours.query("SELECT number FROM kept") == [(7,)]


def test_nobody_else_can_reach_the_server(installation: Installation) -> None:
    installation.use()
    socket = installation.place("socket")
    assert installation.query("SHOW listen_addresses") == [("",)]
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o077 == 0
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert installation.place("data").stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(socket)) < LONGEST_SOCKET_PATH


def test_server_never_runs_as_root(installation: Installation) -> None:
    installation.use()
    assert Path(f"/proc/{installation.postmaster()}").stat().st_uid != 0


def test_ctrl_c_at_the_terminal_reaches_neither_server_nor_keeper(ours: Installation) -> None:
    user = ours.use()
    sessions = {os.getsid(pid) for pid in (user.pid, ours.postmaster(), ours.keeper())}
    assert len(sessions) == 3


def test_server_stops_when_its_only_user_is_killed(ours: Installation) -> None:
    ours.kill(ours.use())
    until(ours.is_stopped)


def test_users_that_come_at_once_share_one_server(ours: Installation) -> None:
    users = [ours.begin_use() for _ in range(5)]
    for user in users:
        ours.await_ready(user)
    assert len([each for each in ours.processes() if "/bin/postgres -D" in each]) == 1
    for user in users:
        ours.leave(user)
    until(ours.is_stopped)


def test_newcomer_during_the_shutdown_gets_a_fresh_server(ours: Installation) -> None:
    for _ in range(8):
        user = ours.use()
        assert ours.query("SELECT 1") == [(1,)]
        ours.leave(user)
    until(ours.is_stopped)


def test_forked_child_keeps_the_server_after_its_parent(ours: Installation) -> None:
    user = ours.use(FORK)
    assert user.stdout is not None
    child = int(user.stdout.readline())
    user.kill()
    user.wait()
    assert ours.query("SELECT 1") == [(1,)]
    kill_process(child)
    until(ours.is_stopped)


def test_killed_postmaster_is_replaced_while_in_use(installation: Installation) -> None:
    installation.environment["QASIMA_POSTGRES_CLUSTER"] = "demo"
    installation.use()
    installation.query("CREATE TABLE kept AS SELECT 7 AS number")
    killed = installation.postmaster()
    kill_process(killed)
    until(lambda: installation.runs() and installation.postmaster() != killed)
    assert installation.query("SELECT number FROM kept") == [(7,)]


def test_backend_busy_beyond_its_postmasters_death_does_not_delay_the_next_server(
    installation: Installation,
) -> None:
    installation.use()
    killed = installation.postmaster()
    with closing(installation.connect()) as busy:
        backend = busy.info.backend_pid
        busy.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
        kill_process(killed)
        until(lambda: installation.runs() and installation.postmaster() != killed)
        assert not is_alive(backend)


def test_killed_backend_costs_only_its_own_connection(ours: Installation) -> None:
    ours.use()
    postmaster = ours.postmaster()
    with ours.connect() as connection:
        kill_process(connection.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    until(ours.runs)
    assert ours.postmaster() == postmaster


def test_killed_keeper_is_replaced_by_the_next_user_without_a_restart(installation: Installation) -> None:
    first = installation.use()
    postmaster = installation.postmaster()
    kill_process(installation.keeper())
    assert installation.query("SELECT 1") == [(1,)]
    second = installation.use()
    assert installation.postmaster() == postmaster
    installation.leave(first)
    installation.leave(second)
    until(installation.is_stopped)


def test_everything_killed_at_once_is_no_obstacle_to_the_next_start(installation: Installation) -> None:
    user = installation.use()
    victims = installation.keeper(), installation.postmaster()
    for pid in victims:
        kill_process(pid)
    installation.kill(user)
    installation.use()
    assert installation.query("SELECT 1") == [(1,)]


def test_stale_pid_file_that_names_another_living_process_is_no_obstacle(installation: Installation) -> None:
    user = installation.use()
    data = installation.place("data")
    stale = (data / "postmaster.pid").read_text()
    owner = data.stat()
    installation.leave(user)
    until(installation.is_stopped)
    same_user = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "600"], **same_user) as bystander:  # type: ignore[call-overload]
        (data / "postmaster.pid").write_text("\n".join([str(bystander.pid), *stale.split("\n")[1:]]))
        os.chown(data / "postmaster.pid", owner.st_uid, owner.st_gid)
        assert installation.run("stop").returncode == 0
        installation.use()
        assert installation.query("SELECT 1") == [(1,)]
        assert bystander.poll() is None
        bystander.kill()


def test_interrupted_initialisation_leaves_nothing_behind(installation: Installation) -> None:
    control = installation.place("data").parent
    user = installation.begin_use()
    until(lambda: any(control.glob("draft.*/PG_VERSION")))
    kill_process(installation.keeper())
    installation.await_ready(user)
    assert installation.query("SELECT 1") == [(1,)]
    assert list(control.glob("draft.*")) == []


def test_disposable_data_that_is_broken_is_made_anew(ours: Installation) -> None:
    ours.leave(ours.use())
    until(ours.is_stopped)
    (ours.place("data") / "global" / "pg_control").write_bytes(b"broken")
    ours.use()
    assert ours.query("SELECT 1") == [(1,)]


def test_data_worth_keeping_is_not_touched_when_it_is_broken(ours: Installation) -> None:
    ours.environment["QASIMA_POSTGRES_CLUSTER"] = "demo"
    ours.leave(ours.use())
    until(ours.is_stopped)
    control_file = ours.place("data") / "global" / "pg_control"
    control_file.write_bytes(b"broken")
    started = ours.run("start")
    assert started.returncode == 1
    assert "PostgreSQL ended as soon as it was started" in started.stderr
    assert "Traceback" not in started.stderr
    assert control_file.read_bytes() == b"broken"


def test_data_of_a_version_that_is_not_installed_is_refused(ours: Installation) -> None:
    ours.environment["QASIMA_POSTGRES_CLUSTER"] = "demo"
    ours.leave(ours.use())
    until(ours.is_stopped)
    (ours.place("data") / "PG_VERSION").write_text("9\n")
    started = ours.run("start")
    assert started.returncode == 1
    assert "The data is of PostgreSQL 9, which is not installed" in started.stderr


def test_directory_that_others_may_write_is_refused(ours: Installation) -> None:
    control = ours.place("data").parent
    ours.leave(ours.use())
    until(ours.is_stopped)
    control.chmod(0o777)
    started = ours.run("start")
    control.chmod(0o755)
    assert started.returncode == 1
    assert f"Others may write to {control}" in started.stderr


def test_link_in_the_place_of_a_directory_is_refused(ours: Installation) -> None:
    control = ours.place("data").parent
    ours.leave(ours.use())
    until(ours.is_stopped)
    moved = control.rename(control.with_name("moved"))
    control.symlink_to(moved)
    started = ours.run("start")
    control.unlink()
    moved.rename(control)
    assert started.returncode == 1
    assert f"{control} must be a directory, not a link" in started.stderr


def test_path_too_long_for_a_socket_is_refused(ours: Installation) -> None:
    base = ours.environment.get("QASIMA_POSTGRES_DIR")
    ours.environment["QASIMA_POSTGRES_DIR"] = f"/tmp/{'long' * 25}"  # noqa: S108 - refused before it is made
    refused = ours.run("start")
    del ours.environment["QASIMA_POSTGRES_DIR"]
    if base:
        ours.environment["QASIMA_POSTGRES_DIR"] = base
    assert refused.returncode == 1
    assert "is too long for a socket" in refused.stderr


def test_removing_the_checkouts_data_directory_starts_from_nothing(ours: Installation) -> None:
    ours.environment["QASIMA_POSTGRES_CLUSTER"] = "demo"
    user = ours.use()
    ours.query("CREATE TABLE forgotten AS SELECT 7 AS number")
    former = ours.place("data")
    ours.leave(user)
    until(ours.is_stopped)
    subprocess.run(["rm", "-r", str(ours.checkout / ".data")], check=True)
    ours.places.clear()
    ours.use()
    assert ours.query("SELECT to_regclass('forgotten') IS NULL") == [(True,)]
    assert ours.place("data") == former or not former.exists()


def test_server_started_by_hand_runs_until_it_is_stopped_by_hand(installation: Installation) -> None:
    assert installation.run("start").returncode == 0
    installation.leave(installation.use())
    time.sleep(1)  # longer than a keeper without users needs to stop it
    assert installation.query("SELECT 1") == [(1,)]
    stopped = installation.run("stop")
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert installation.is_stopped()


def test_stop_by_hand_works_while_the_server_is_in_use_and_its_keeper_is_dead(ours: Installation) -> None:
    ours.use()
    os.kill(ours.keeper(), signal.SIGKILL)
    assert ours.run("stop").returncode == 0
    assert ours.is_stopped()
