"""Pushes a row of 5 MB, which is allowed, a row of 9 MB, which is not, and one more row."""

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1, "text": "x" * (5 * 2**20)})
try:
    CoreSDK.Result.push_data({"n": 2, "text": "x" * (9 * 2**20)})
    refused = ""
except Exception as error:
    refused = str(error)
CoreSDK.Result.push_data({"n": 3, "refused": refused})
