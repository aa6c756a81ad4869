"""`make demo` and `make token`: a whole Sovereign on this machine, and bearer tokens for it."""

import os
import sys

from config.devtools.demo.children import MANAGE, run_python
from config.devtools.demo.environment import DEFAULT_PORT, demo_environment
from config.devtools.demo.errors import DemoError
from config.devtools.demo.signals import StopRequested, handle_stop_signals
from config.devtools.demo.supervisor import run_demo
from config.devtools.embedded_postgres import EmbeddedPostgresError, ensure_running


def print_token() -> None:
    """Print a bearer token that the demo accepts, for the SUB, EMAIL and ROLE of the environment."""
    subject = os.environ.get("SUB") or "ada"
    email = os.environ.get("EMAIL") or f"{subject}@example.org"
    options = [f"--email={email}", f"--role={os.environ.get('ROLE') or 'customer'}"]
    ensure_running()
    print(run_python([MANAGE, "issue_token", *options, "--", subject], demo_environment(DEFAULT_PORT)))


def main() -> int:
    """Run the demo, or print a token for it."""
    handle_stop_signals()
    try:
        if sys.argv[1:] == ["token"]:
            print_token()
            return 0
        run_demo()
    except StopRequested:
        print("\nThe demo has stopped.", flush=True)
        return 0
    except (DemoError, EmbeddedPostgresError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
