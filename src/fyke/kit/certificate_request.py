"""A new key with its request for a certificate, made by a process of its own.

The library that makes it takes 6 MiB, and a node needs it for a moment every 16 hours.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress

from fyke.kit.certificates import CertifiedKey, new_request

_COMMAND = (sys.executable, "-P", "-m", "fyke.kit.certificate_request")
SECONDS = 30.0


async def request_elsewhere() -> CertifiedKey:
    """What ``new_request`` returns. Raise ``OSError``, also when the process fails, and
    ``TimeoutError``.
    """
    process = await asyncio.create_subprocess_exec(*_COMMAND, stdin=DEVNULL, stdout=PIPE)
    try:
        async with asyncio.timeout(SECONDS):
            written, _ = await process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):  # it may have ended just now
            process.kill()
        raise
    if process.returncode:
        raise OSError(f"no key could be made: exit status {process.returncode}")
    return CertifiedKey(*json.loads(written))


if __name__ == "__main__":
    made = new_request()
    print(json.dumps([made.certificate, made.key]))
