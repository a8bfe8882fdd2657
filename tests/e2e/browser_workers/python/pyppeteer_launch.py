import asyncio
import os

from pyppeteer import launch
from sdk import CoreSDK

READ = "items => items.map(item => ({name: item.textContent, price: +item.dataset.price}))"


async def main():
    url = CoreSDK.Parameter.get_input_json_dict()["url"]
    browser = await launch(executablePath=os.environ["CHROME_PATH"])
    page = await browser.newPage()
    await page.goto(url)
    await page.waitForSelector(".item")
    for row in await page.querySelectorAllEval(".item", READ):
        CoreSDK.Result.push_data(row)
    await browser.close()


asyncio.run(main())
