"""Many behaviours in one Worker that uses a browser: the input names the one that runs."""

import importlib

from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
for part in ("ends", "pages", "protocol"):
    behaviour = getattr(importlib.import_module(part), given["behaviour"], None)
    if behaviour is not None:
        break
row = behaviour(given.get("site", ""))
if row is not None:
    CoreSDK.Result.push_data(row)
