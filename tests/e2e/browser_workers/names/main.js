// Each client at the addresses that published Workers have in their code; one row for each.
"use strict";

const http = require("node:http");
const coresdk = require("./sdk");
const { chromium } = require("playwright");
const puppeteer = require("puppeteer-core");

const HTTP = "chrome-http-inner.coreclaw.com";
const WS = "chrome-ws-inner.cafescraper.com";
const AUTH = process.env.PROXY_AUTH;

const get = (url) => new Promise((done, failed) => {
  http.get(url, (answer) => {
    let body = "";
    answer.on("data", (part) => { body += part; });
    answer.on("end", () => done(JSON.parse(body)));
  }).on("error", failed);
});

async function title(page) {
  await page.goto("data:text/html,<title>shown</title>");
  if ((await page.title()) !== "shown") throw new Error(await page.title());
}

async function connected(open) {
  const browser = await open();
  const contexts = typeof browser.contexts === "function" ? browser.contexts() : [browser];
  await title(await contexts[0].newPage());
  await (browser.disconnect ? browser.disconnect() : browser.close());
}

const clients = {
  fetch: async () => (await fetch(`http://${HTTP}/json/version`)).json(),
  http: () => get(`http://${AUTH}@${HTTP}/json/version`),
  puppeteer: () => connected(() => puppeteer.connect({ browserURL: `http://${HTTP}` })),
  "puppeteer ws": () =>
    connected(() => puppeteer.connect({ browserWSEndpoint: `ws://${AUTH}@${WS}` })),
  playwright: () => connected(() => chromium.connectOverCDP(`http://${HTTP}`)),
  "playwright ws": () => connected(() => chromium.connectOverCDP(`ws://${AUTH}@${WS}`)),
};

(async () => {
  for (const [client, use] of Object.entries(clients)) {
    const said = await use().then(() => "ok", (error) => `${error.message} ${error.cause || ""}`);
    await coresdk.result.pushData({ client, said });
  }
})();
