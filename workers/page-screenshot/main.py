"""Page screenshot: takes a picture of each page and stores it in a row.

The exit code is 0 when at least one picture was taken; otherwise 1, with the reason as the last
line of stderr.
"""

import os
import sys

from devtools import NoBrowser
from screenshot import settings
from screenshot.capture import capture
from sdk import CoreSDK, SDKError


def fail(reason):
    """Print the reason as the last line of stderr; return the exit code."""
    print(reason, file=sys.stderr, flush=True)
    return 1


def main():
    try:
        config = settings.read(CoreSDK.Parameter.get_input_json_dict())
    except settings.BadInput as error:
        return fail(str(error))
    taken, problem = 0, ""
    for url in config.urls:
        try:
            row = capture(os.environ.get("BROWSER_WS", ""), url, config)
        except NoBrowser as error:
            return fail(str(error))
        try:
            CoreSDK.Result.push_data(row)
        except SDKError as error:  # a row too large; the next one may fit
            problem = f"{url}: the row was refused: {error}"
            CoreSDK.Log.warn(problem)
            continue
        taken += bool(row["image"])
        if row["error"]:
            problem = f"{url}: {row['error']}"
            CoreSDK.Log.warn(problem)
        else:
            CoreSDK.Log.info(f"{url}: {row['bytes']:,} bytes of {row['format']}, {row['ms']} ms")
    return 0 if taken else fail(problem)


if __name__ == "__main__":
    sys.exit(main())
