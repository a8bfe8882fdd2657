"""Many animals in one Worker: the input names the one that runs."""

import importlib

from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
for part in ("processes", "matter", "talk"):
    animal = getattr(importlib.import_module(part), given["animal"], None)
    if animal is not None:
        break
row = animal()
if row is not None:
    CoreSDK.Result.push_data(row)
