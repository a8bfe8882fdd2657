"""Is ended by a signal that the platform did not send."""

import os
import signal

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
os.kill(os.getpid(), signal.SIGSEGV)
