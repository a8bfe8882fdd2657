"""Pushes numbered rows and prints each number once its row is acknowledged."""

from sdk import CoreSDK

number = 0
while True:
    number += 1
    CoreSDK.Result.push_data({"n": number})
    print("acknowledged", number, flush=True)
