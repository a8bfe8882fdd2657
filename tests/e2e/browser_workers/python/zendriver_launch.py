import asyncio
import json

import zendriver
from sdk import CoreSDK

READ = """JSON.stringify([...document.querySelectorAll(".item")].map(
    item => ({name: item.textContent, price: +item.dataset.price})))"""


async def main():
    url = CoreSDK.Parameter.get_input_json_dict()["url"]
    async with await zendriver.start(headless=True) as browser:
        tab = await browser.get(url)
        rows = []
        while not rows:
            await tab.sleep(0.1)
            rows = json.loads(await tab.evaluate(READ))
        for row in rows:
            CoreSDK.Result.push_data(row)


asyncio.run(main())
