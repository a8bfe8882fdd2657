"""Times, sizes and counts as text, and the time of ``--expires``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fyke.cli.errors import CommandFailed, Exit

_DAYS = re.compile(r"(\d{1,5})\s*d?")


def when(seconds: int) -> str:
    """Unix seconds in the time zone of this machine; a hyphen for 0."""
    if not seconds:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def when_with_zone(seconds: int) -> str:
    """``when`` with the time zone, for readers elsewhere."""
    return f"{when(seconds)} {datetime.fromtimestamp(seconds, UTC).astimezone():%Z}"


def size(count: int) -> str:
    """Bytes in decimal units, as for traffic prices."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def memory(count: int) -> str:
    """Bytes in MB of 1,048,576 bytes, as limits of memory are: ``512 MB``."""
    return f"{count / 2**20:.0f} MB"


def room(count: int) -> str:
    """Bytes of a disk or of the memory of a machine, in powers of 1024: ``200 MiB``, ``51 GiB``."""
    gib = count / 2**30
    if gib < 1:
        return f"{count / 2**20:.0f} MiB"
    return f"{gib:.0f} GiB" if gib >= 10 else f"{gib:.1f} GiB"


def span(seconds: float) -> str:
    """A duration: ``142 ms``, ``8 s``, ``2 m 05 s``, ``1 h 02 m``."""
    if 0 < (milliseconds := round(seconds * 1000)) < 1000:
        return f"{milliseconds} ms"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} m"


def path(worker: str) -> str:
    """The path of a Worker as owner/name; v2 writes owner~name."""
    return worker.replace("~", "/")


def browser(need: str, *, declared: bool) -> str:
    """Whether a version uses a browser, ``-`` if nothing is known."""
    return f"{need}{'' if declared else ' (detected)'}" if need else "-"


def count(number: int, singular: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {singular}" if number == 1 else f"{number} {singular}s"


def expiry(text: str, now: datetime | None = None) -> int:
    """Unix seconds of ``--expires``: a number of days from now, the end of a date (UTC), or a date
    with a time. Raises ``CommandFailed``."""
    now = now or datetime.now(UTC)
    days = _DAYS.fullmatch(text.strip())
    try:
        if days:
            return int((now + timedelta(days=int(days[1]))).timestamp())
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise CommandFailed(
            f"--expires {text}: must be a number of days such as 30, a date such as 2027-01-31, "
            "or a time such as 2027-01-31T12:00:00+01:00",
            Exit.USAGE,
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if len(text.strip()) <= len("2027-01-31"):
        moment += timedelta(days=1)
    return int(moment.timestamp())
