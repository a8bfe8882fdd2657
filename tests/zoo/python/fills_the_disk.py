"""Writes files until the disk is full."""

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
block = b"x" * 2**20
number = 0
while True:
    number += 1
    with open(f"filler-{number}", "wb") as file:
        for _ in range(32):
            file.write(block)
