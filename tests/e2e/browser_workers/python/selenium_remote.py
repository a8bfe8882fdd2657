import os

from sdk import CoreSDK
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

url = CoreSDK.Parameter.get_input_json_dict()["url"]
address = f"http://{os.environ['PROXY_AUTH']}@{os.environ['ChromeHttp']}"  # noqa: SIM112
driver = webdriver.Remote(command_executor=address, options=webdriver.ChromeOptions())
try:
    driver.get(url)
    WebDriverWait(driver, 20).until(lambda page: page.find_elements(By.CLASS_NAME, "item"))
    for item in driver.find_elements(By.CLASS_NAME, "item"):
        price = int(item.get_attribute("data-price"))
        CoreSDK.Result.push_data({"name": item.text, "price": price})
finally:
    driver.quit()
