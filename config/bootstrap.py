"""Builds `.venv` with the pinned packages: `python3 -I config/bootstrap.py runtime|dev`, run by make.

It runs on whatever `python3` a machine has, to say what is missing, so it uses only what old versions know
too. A mark is written when everything is installed and taken away before anything is changed: whatever an
interruption leaves behind has no mark, and is built anew. Two at once wait for each other.
"""

import fcntl
import hashlib
import os
import subprocess
import sys

OLDEST_PYTHON = (3, 11)
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(CHECKOUT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
MARK = os.path.join(VENV, ".installed")
REQUIREMENTS = {
    "runtime": ["requirements.txt"],
    "dev": ["requirements.txt", "requirements-dev.txt"],
}


def check_python() -> None:
    """Stop with a plain message where this Python cannot build the environment."""
    if sys.version_info < OLDEST_PYTHON:
        found = f"{sys.executable} is {sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(f"Python 3.11 or newer is needed; {found}. Name one: make PYTHON=python3.11 ...")
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError as error:
        sys.exit(
            f"{sys.executable} lacks the module '{error.name}'. On Debian and Ubuntu: apt-get install python3-venv"
        )


def digest(which: str) -> str:
    """Return what stands in the mark for a set of requirements, which changes when they do."""
    content = hashlib.sha256()
    for name in REQUIREMENTS[which]:
        with open(os.path.join(CHECKOUT, name), "rb") as file:
            content.update(file.read())
    return f"{which} {content.hexdigest()}"


def marks() -> "list[str]":
    """Return what is completely installed; nothing where the environment is missing or half-made."""
    if not os.access(PYTHON, os.X_OK):
        return []
    try:
        with open(MARK) as file:
            return file.read().splitlines()
    except OSError:
        return []


def install(which: str, lock: int) -> None:
    """Install a set of requirements, into a new environment unless there is a complete one.

    What it runs inherits the lock, so that a pip which outlives a killed make is waited for.
    """
    is_whole = bool(marks())
    print(f"Installing the {which} packages into .venv ...", flush=True)
    if is_whole:
        os.remove(MARK)
    else:
        run([sys.executable, "-m", "venv", "--clear", VENV], lock)
    requirements = os.path.join(CHECKOUT, REQUIREMENTS[which][-1])
    quietly = ["-q", "--disable-pip-version-check", "--no-input"]
    run([PYTHON, "-m", "pip", "install", *quietly, "-r", requirements], lock)
    installed = [digest("runtime")] + ([digest("dev")] if which == "dev" else [])
    draft = MARK + ".draft"
    with open(draft, "w") as file:
        file.write("\n".join(installed) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(draft, MARK)


def run(command: "list[str]", lock: int) -> None:
    """Run a command, and stop with its exit status where it fails."""
    environment = dict(os.environ, PIP_ROOT_USER_ACTION="ignore")
    status = subprocess.call(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=(lock,))  # noqa: S603
    if status:
        sys.exit(f"{' '.join(command)} failed; .venv is incomplete, and the next try builds it anew.")


def main() -> None:
    """Install what the argument names, unless it is."""
    which = sys.argv[1]
    lock = os.open(CHECKOUT, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if digest(which) not in marks():
        check_python()
        install(which, lock)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as problem:
        sys.exit(f"The environment cannot be built: {problem}")
