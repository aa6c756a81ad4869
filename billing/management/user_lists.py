"""What the commands that do one thing for many users share: their arguments, and the list of users."""

import sys
from pathlib import Path

from django.core.management.base import CommandError, CommandParser

from billing.errors import DomainError, InvalidBatch
from billing.use_cases.grant_many import MAX_BATCH, distinct_users

# The exit status where the terms or the list are refused.
REFUSED = 1
# Users of one transaction, where the operator does not say.
DEFAULT_BATCH = 1_000
# Lines of a list that one message names.
MAX_LINES_NAMED = 10


def add_user_list_argument(parser: CommandParser, *, default: str | None = None) -> None:
    """`file`; with a default it may be left out."""
    help_text = "the list; '-' is standard input"
    if default is None:
        parser.add_argument("file", help=help_text)
    else:
        parser.add_argument("file", nargs="?", default=default, help=f"{help_text}, default {default}")


def add_batch_arguments(parser: CommandParser, *, kept: str) -> None:
    """`--why`, `--by`, `--batch` and `--dry-run`; `kept` says where the reason is kept."""
    parser.add_argument("--why", required=True, help=f"kept {kept}")
    parser.add_argument("--by", required=True, help="user id of the person who decided it")
    parser.add_argument(
        "--batch", type=_batch_size, default=DEFAULT_BATCH, help=f"users a transaction, default {DEFAULT_BATCH}"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would come of it, and change nothing")


def _batch_size(text: str) -> int:
    """A whole number of users that one transaction takes."""
    number = int(text)
    if not 1 <= number <= MAX_BATCH:
        raise ValueError
    return number


def read_user_ids(name: str) -> list[str]:
    """The user ids of a list, one a line; empty lines, a byte order mark and white space around an id do not count.

    Raises: CommandError where it cannot be read, or where a line is no user id: it names the lines.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"the list cannot be read: {error}", returncode=REFUSED) from error
    lines = [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
    wrong = [f"line {number} is not a user id: {line[:80]!r}" for number, line in enumerate(lines, 1) if _wrong(line)]
    if wrong:
        more = f"; and {len(wrong) - MAX_LINES_NAMED} more" if len(wrong) > MAX_LINES_NAMED else ""
        raise CommandError("; ".join(wrong[:MAX_LINES_NAMED]) + more, returncode=REFUSED)
    return [line for line in lines if line]


def _wrong(line: str) -> bool:
    if not line:
        return False
    try:
        distinct_users([line])
    except InvalidBatch:
        return True
    return False


def refused(error: DomainError, *, done_before: str) -> CommandError:
    """The end of a command that was refused: why, and what earlier batches have done, empty for nothing."""
    details = "".join(f"; {name}: {', '.join(texts)}" for name, texts in (error.fields or {}).items())
    before = f" (before that {done_before})" if done_before else ""
    return CommandError(f"{error}{details}{before}", returncode=REFUSED)
