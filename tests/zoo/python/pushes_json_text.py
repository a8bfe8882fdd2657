"""Pushes rows it has already JSON-encoded, and values that are not objects."""

import json

from sdk import CoreSDK

CoreSDK.Result.push_data(json.dumps({"n": 1}))
CoreSDK.Result.push_data([1, 2])
CoreSDK.Result.push_data(7)
CoreSDK.Result.push_data("plain words")
