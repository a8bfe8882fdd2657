"""One scenario of a Worker with our own SDK per call: python worker.py ADDRESS SCENARIO"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import sdk
from sdk import CoreSDK

sdk.ADDRESS = sys.argv[1]
Parameter, Result, Log = CoreSDK.Parameter, CoreSDK.Result, CoreSDK.Log
Progress = CoreSDK.Progress


def said(function, *arguments):
    try:
        function(*arguments)
    except (ValueError, sdk.SDKError) as error:
        return str(error)
    return "nothing"


def everything():
    text = Parameter.get_input_json_str()
    Result.set_table_header([{"label": "Name", "key": "name", "format": "text"}, {"key": "x"}])
    Result.push_data({"name": "\U0001f600", "url": "a&b<c"})
    Result.push_data('{"twice": 1}')
    Result.push_data({"half": "\ud800"})
    Result.upsert_data({"id": 7, "v": 1}, "id")
    Log.debug("d")
    Log.info(5)
    Log.warn("w")
    Log.error("e")
    return {"input": Parameter.get_input_json_dict(), "text": text}


def refusals():
    return [
        said(Result.upsert_data, {"a": 1}, ""),
        said(Result.upsert_data, {"a": 1}, "b"),
        said(Result.push_data, "x" * 9_000_000),
        said(Result.push_data, "x" * (17 * 2**20)),
        said(Result.push_data, {"after": "these"}),
    ]


def many():
    with ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda i: Result.push_data({"i": i}), range(3000)))
    return "done"


def progress():
    Progress.set(1, 3, "first")
    return [
        said(Progress.set, 2.9, 3, f"  second\n{'x' * 300}"),
        said(Progress.set, -1, 3),
        said(Progress.set, 2**53),
        said(Progress.set, 3),
    ]


def large():
    size = len(Parameter.get_input_json_str())
    Result.push_data({"html": "x" * 6_000_000})
    return size


print(json.dumps(globals()[sys.argv[2]]()))
