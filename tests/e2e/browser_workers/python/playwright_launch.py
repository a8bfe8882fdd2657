from playwright.sync_api import sync_playwright
from sdk import CoreSDK

url = CoreSDK.Parameter.get_input_json_dict()["url"]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch()
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector(".item")
    for item in page.query_selector_all(".item"):
        price = int(item.get_attribute("data-price"))
        CoreSDK.Result.push_data({"name": item.inner_text(), "price": price})
    browser.close()
