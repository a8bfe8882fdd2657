"""Encodes its rows itself, so that the SDK encodes them once more; and pushes what is no object."""

import json

from sdk import CoreSDK

CoreSDK.Result.push_data(json.dumps({"n": 1}))
CoreSDK.Result.push_data([1, 2])
CoreSDK.Result.push_data(7)
CoreSDK.Result.push_data("plain words")
