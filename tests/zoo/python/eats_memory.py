"""Allocates memory until it is stopped."""

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
hoard = []
while True:
    hoard.append(bytearray(16 * 2**20))
