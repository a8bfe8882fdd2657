"""Stores the quotes of a page that is made by a script, with Selenium."""

from sdk import CoreSDK
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    driver = webdriver.Chrome()
    driver.get(task.get("url") or "https://quotes.toscrape.com/js/")
    WebDriverWait(driver, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".quote"))
    for quote in driver.find_elements(By.CSS_SELECTOR, ".quote"):
        text = quote.find_element(By.CSS_SELECTOR, ".text").text
        CoreSDK.Result.push_data({"text": text, "url": driver.current_url})
    driver.quit()


if __name__ == "__main__":
    main()
