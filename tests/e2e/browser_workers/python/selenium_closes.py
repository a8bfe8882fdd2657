import os

from sdk import CoreSDK
from selenium import webdriver

given = CoreSDK.Parameter.get_input_json_dict()
address = f"http://{os.environ['PROXY_AUTH']}@{os.environ['ChromeHttp']}"  # noqa: SIM112
for number in range(given["times"]):
    options = webdriver.ChromeOptions()
    if given["local"]:
        options.add_argument("--headless=new")
        driver = webdriver.Chrome(options=options)
    else:
        driver = webdriver.Remote(command_executor=address, options=options)
    CoreSDK.Result.push_data({"number": number, "windows": len(driver.window_handles)})
    driver.close()
