"""Fails with a traceback, like most scripts."""

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
raise ValueError("price not found on page 7")
