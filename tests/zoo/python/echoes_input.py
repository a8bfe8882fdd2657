"""Pushes its input and its environment."""

import os

from sdk import CoreSDK

CoreSDK.Result.push_data(
    {
        "input": CoreSDK.Parameter.get_input_json_dict(),
        "text": CoreSDK.Parameter.get_input_json_str(),
        "env": dict(os.environ),
    }
)
