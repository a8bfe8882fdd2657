"""Forks as fast as it may, in every child again."""

import contextlib
import os

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
while True:
    with contextlib.suppress(OSError):
        os.fork()
