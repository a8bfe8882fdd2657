"""Declares its columns after the rows, and twice."""

from sdk import CoreSDK

CoreSDK.Result.push_data({"title": "one", "price": 1.10})
CoreSDK.Result.set_table_header([{"label": "First", "key": "title", "format": "text"}])
CoreSDK.Result.set_table_header(
    [
        {"label": "Title", "key": "title", "format": "text"},
        {"label": "Price", "key": "price", "format": "number"},
    ]
)
CoreSDK.Result.push_data({"title": "two", "price": 2})
