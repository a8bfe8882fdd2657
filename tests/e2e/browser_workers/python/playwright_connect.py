import os

from playwright.sync_api import sync_playwright
from sdk import CoreSDK

url = CoreSDK.Parameter.get_input_json_dict()["url"]
address = f"ws://{os.environ['PROXY_AUTH']}@{os.environ['ChromeWs']}"  # noqa: SIM112
with sync_playwright() as playwright:
    browser = playwright.chromium.connect_over_cdp(address)
    page = browser.new_context().new_page()
    page.goto(url)
    page.wait_for_selector(".item")
    for item in page.query_selector_all(".item"):
        price = int(item.get_attribute("data-price"))
        CoreSDK.Result.push_data({"name": item.inner_text(), "price": price})
    browser.close()
