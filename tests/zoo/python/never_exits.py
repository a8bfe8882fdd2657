"""Pushes one row and then waits forever."""

import time

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
while True:
    time.sleep(60)
