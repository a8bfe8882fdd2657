from sdk import CoreSDK
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

url = CoreSDK.Parameter.get_input_json_dict()["url"]
options = webdriver.ChromeOptions()
options.add_argument("--headless=new")
options.add_argument("--no-sandbox")
driver = webdriver.Chrome(options=options)
try:
    driver.get(url)
    WebDriverWait(driver, 20).until(lambda page: page.find_elements(By.CLASS_NAME, "item"))
    for item in driver.find_elements(By.CLASS_NAME, "item"):
        price = int(item.get_attribute("data-price"))
        CoreSDK.Result.push_data({"name": item.text, "price": price})
finally:
    driver.quit()
