"""Pushes numbers that many JSON parsers round."""

from sdk import CoreSDK

CoreSDK.Result.push_data(
    {
        "two_63": 2**63,
        "forty": 10**39 + 7,
        "nan": float("nan"),
        "infinite": float("inf"),
        "text": "\u0000 and \ud800",
    }
)
