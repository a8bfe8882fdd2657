import os

from DrissionPage import Chromium
from sdk import CoreSDK

url = CoreSDK.Parameter.get_input_json_dict()["url"]
browser = Chromium(f"ws://{os.environ['ChromeWs']}/ws?apiKey={os.environ['PROXY_AUTH']}")  # noqa: SIM112
tab = browser.new_tab(url)
tab.wait.ele_displayed(".item", timeout=20)
for item in tab.eles(".item"):
    CoreSDK.Result.push_data({"name": item.text, "price": int(item.attr("data-price"))})
tab.close()
