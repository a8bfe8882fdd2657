"""Fails as most scripts do: with a traceback."""

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
raise ValueError("price not found on page 7")
