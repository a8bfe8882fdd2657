"""Fetches its url through its proxy and pushes the result."""

import base64
import os
import urllib.request

from sdk import CoreSDK

given = CoreSDK.Parameter.get_input_json_dict()
user = base64.b64encode(os.environ["PROXY_AUTH"].encode()).decode()
request = urllib.request.Request(given["url"])
request.set_proxy(os.environ["PROXY_DOMAIN"], "http")
request.add_header("Proxy-Authorization", f"Basic {user}")
try:
    with urllib.request.urlopen(request, timeout=20) as answer:
        CoreSDK.Result.push_data({"status": answer.status, "bytes": len(answer.read())})
except OSError as error:
    CoreSDK.Result.push_data({"error": str(error)})
