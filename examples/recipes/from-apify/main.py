import logging

import requests
from bs4 import BeautifulSoup
from sdk import CoreSDK

logging.basicConfig(level=logging.INFO)


def main():
    task = CoreSDK.Parameter.get_input_json_dict()
    for start in task.get("startUrls") or [{"url": "https://quotes.toscrape.com/"}]:
        logging.info("Reading %s", start["url"])
        answer = requests.get(start["url"], timeout=30)
        answer.raise_for_status()
        page = BeautifulSoup(answer.content, "html.parser")
        for quote in page.select(".quote")[: task.get("maxItems") or 100]:
            CoreSDK.Result.push_data({"text": quote.select_one(".text").text})


if __name__ == "__main__":
    main()
