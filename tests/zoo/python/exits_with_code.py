"""Pushes two rows, prints an error, and exits with code 3."""

import sys

from sdk import CoreSDK

CoreSDK.Result.push_data({"n": 1})
CoreSDK.Result.push_data({"n": 2})
print("the site said no", file=sys.stderr)
sys.exit(3)
