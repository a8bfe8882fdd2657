"""Prints far more than the log stores, to both streams."""

import sys

from sdk import CoreSDK

line = "x" * 1000
for number in range(20_000):
    print(number, line)
    if number % 100 == 0:
        CoreSDK.Log.info(f"{number} {line}")
CoreSDK.Result.push_data({"n": 1})
print("the last line", file=sys.stderr)
