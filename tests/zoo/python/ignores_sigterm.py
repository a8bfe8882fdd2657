"""Ignores SIGTERM and sleeps."""

import signal
import time

from sdk import CoreSDK

signal.signal(signal.SIGTERM, signal.SIG_IGN)
CoreSDK.Result.push_data({"n": 1})
while True:
    time.sleep(60)
