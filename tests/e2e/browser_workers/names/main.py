"""Each client at the addresses that published Workers have in their code; one row for each."""

import os
import urllib.request

from sdk import CoreSDK

AUTH = os.environ["PROXY_AUTH"]
HTTP, WS = "chrome-http-inner.coreclaw.com", "chrome-ws-inner.cafescraper.com"
if CoreSDK.Parameter.get_input_json_dict().get("proxied"):
    del os.environ["no_proxy"], os.environ["NO_PROXY"]
    PLAYWRIGHT = False  # it sends the proxy no password
else:
    PLAYWRIGHT = True


def selenium():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.add_argument("--headless=new")
    for url in (f"http://{AUTH}@{HTTP}", f"http://{HTTP}/wd/hub"):
        driver = webdriver.Remote(url, options=options)
        driver.get("data:text/html,<title>shown</title>")
        assert driver.title == "shown", driver.title
        driver.quit()


def drission():
    from DrissionPage import Chromium

    tab = Chromium(f"ws://{WS}/ws?apiKey={AUTH}").latest_tab
    tab.get("data:text/html,<title>shown</title>")
    assert tab.title == "shown", tab.title


def websocket_client():
    import websocket

    connection = websocket.create_connection(f"ws://{AUTH}@{WS}/", timeout=60)
    connection.send('{"id":1,"method":"Browser.getVersion"}')
    assert '"product"' in connection.recv()
    connection.close()


def websockets():
    from websockets.sync.client import connect

    with connect(f"ws://{AUTH}@{WS}/", open_timeout=60) as connection:
        connection.send('{"id":1,"method":"Browser.getVersion"}')
        assert '"product"' in connection.recv(60)


def requests():
    import requests

    url = requests.get(f"http://{AUTH}@{HTTP}/json/version", timeout=60).json()
    assert url["webSocketDebuggerUrl"].startswith(f"ws://{HTTP}/devtools/browser/"), url


def urllib_():
    with urllib.request.urlopen(f"http://{HTTP}/json/version", timeout=60) as answer:
        assert b"webSocketDebuggerUrl" in answer.read()


def playwright():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as library:
        for url in (f"http://{HTTP}", f"http://{AUTH}@{HTTP}", f"ws://{AUTH}@{WS}"):
            browser = library.chromium.connect_over_cdp(url)
            page = browser.contexts[0].new_page()
            page.goto("data:text/html,<title>shown</title>")
            assert page.title() == "shown", page.title()
            browser.close()


for client in (selenium, drission, websocket_client, websockets, requests, urllib_, playwright):
    if client is playwright and not PLAYWRIGHT:
        continue
    try:
        client()
        said = "ok"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:500]
    CoreSDK.Result.push_data({"client": client.__name__, "said": said})
