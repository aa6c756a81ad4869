"""Builds `.venv` with a pinned set of packages: `python3 -I config/bootstrap.py runtime|demo|dev`.

It also compiles the translations and the code: the user that runs the service later may not write here.

`runtime` is what production runs, `demo` adds the embedded PostgreSQL, and `dev` adds the tests and checks.

The script also runs on a Python that is too old for the service, to say so; it therefore uses no newer syntax.
The file `.venv/.installed` lists the sets that are completely installed. It is removed before an installation
and written after it, so an interrupted installation is repeated. Two installations at once run one after the
other.
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
INSTALLED = os.path.join(VENV, ".installed")
# Each set includes the sets before it.
REQUIREMENTS = [
    ("runtime", "requirements.txt"),
    ("demo", "requirements-demo.txt"),
    ("dev", "requirements-dev.txt"),
]
SETS = [name for name, _ in REQUIREMENTS]
PACKAGES = ["billing", "config", "orders", "promos"]


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


def wanted_lines(wanted: str) -> "list[str]":
    """Return a line for each set that the wanted one includes: its name, and a hash that changes with its files."""
    content = hashlib.sha256()
    lines = []
    for name, file_name in REQUIREMENTS[: SETS.index(wanted) + 1]:
        with open(os.path.join(CHECKOUT, file_name), "rb") as file:
            content.update(file.read())
        lines.append(f"{name} {content.hexdigest()}")
    return lines


def installed_lines() -> "list[str]":
    """Return the lines of the completely installed sets; none where the environment is missing or incomplete."""
    if not os.access(PYTHON, os.X_OK):
        return []
    try:
        with open(INSTALLED) as file:
            return file.read().splitlines()
    except OSError:
        return []


def install(wanted: str, lock: int) -> None:
    """Install a set, into a new environment unless there is a complete one.

    The programs that this runs inherit the lock: a pip that survives its killed parent still holds it.
    """
    print(f"Installing the {wanted} packages into .venv ...", flush=True)
    if installed_lines():
        os.remove(INSTALLED)
    else:
        run([sys.executable, "-m", "venv", "--clear", VENV], lock)
    requirements = os.path.join(CHECKOUT, dict(REQUIREMENTS)[wanted])
    quietly = ["-q", "--disable-pip-version-check", "--no-input"]
    run([PYTHON, "-m", "pip", "install", *quietly, "-r", requirements], lock)
    draft = INSTALLED + ".draft"
    with open(draft, "w") as file:
        file.write("\n".join(wanted_lines(wanted)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(draft, INSTALLED)


def compile_code(lock: int) -> None:
    """Compile what has changed, so that a process of a user who may only read starts, and starts fast.

    A failure stops nothing: a user who may not write here says so, and each process compiles what is missing.
    """
    packages = [each for each in PACKAGES if os.path.isdir(os.path.join(CHECKOUT, each))]
    for module in (["config.parts.catalogs"], ["compileall", "-q", *packages]):
        command = [PYTHON, "-m", *module]
        subprocess.call(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, pass_fds=(lock,))  # noqa: S603


def run(command: "list[str]", lock: int) -> None:
    """Run a command, and stop with a message where it fails."""
    environment = dict(os.environ, PIP_ROOT_USER_ACTION="ignore")
    status = subprocess.call(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=(lock,))  # noqa: S603
    if status:
        sys.exit(f"{' '.join(command)} failed; .venv is incomplete, and the next try builds it again.")


def main() -> None:
    """Install the set that the argument names, unless it is installed."""
    if len(sys.argv) != 2 or sys.argv[1] not in SETS:  # noqa: PLR2004 - the script and its argument
        sys.exit(f"usage: python3 -I config/bootstrap.py {'|'.join(SETS)}")
    wanted = sys.argv[1]
    lock = os.open(CHECKOUT, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if wanted_lines(wanted)[-1] not in installed_lines():
        check_python()
        install(wanted, lock)
    compile_code(lock)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as problem:
        sys.exit(f"The environment cannot be built: {problem}")
