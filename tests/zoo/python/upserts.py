"""Upserts the same article twice: the result is one row with the fields of both."""

from sdk import CoreSDK

CoreSDK.Result.upsert_data({"id": "a", "price": 1, "seen": True}, "id")
CoreSDK.Result.upsert_data({"id": "b", "price": 2}, "id")
CoreSDK.Result.upsert_data({"id": "a", "price": 3}, "id")
