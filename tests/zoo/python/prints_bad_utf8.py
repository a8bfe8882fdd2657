"""Prints invalid UTF-8, control characters, and a line without an end."""

import sys

from sdk import CoreSDK

sys.stdout.buffer.write(b"caf\xe9 \xff\xfe \x1b[31mred\n")
sys.stdout.buffer.write(b"no end")
sys.stdout.flush()
CoreSDK.Result.push_data({"n": 1})
