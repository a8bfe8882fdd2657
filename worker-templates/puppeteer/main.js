// Stores the quotes of a site whose pages are made by scripts, with Puppeteer.
"use strict";

const puppeteer = require("puppeteer");
const { parameter, result } = require("./sdk");

const READ = (quotes) => quotes.map((quote) => ({
  text: quote.querySelector(".text").textContent,
  author: quote.querySelector(".author").textContent,
  tags: [...quote.querySelectorAll(".tag")].map((tag) => tag.textContent),
  url: location.href,
}));

// Returns the rows of the open page and the address of the next one, undefined after the last page.
async function readPage(page) {
  await page.waitForSelector(".quote");
  const [next] = await page.$$eval(".next a", (links) => links.map((link) => link.href));
  return [await page.$$eval(".quote", READ), next];
}

async function main() {
  const task = await parameter.getInputJSONObject();
  let url = task.url || "https://quotes.toscrape.com/js/";
  let left = task.max_results || 30;
  const browser = await puppeteer.launch({ timeout: 90_000 });
  const page = await browser.newPage();
  while (url && left > 0) {
    await page.goto(url);
    const [rows, next] = await readPage(page);
    for (const row of rows.slice(0, left)) await result.pushData(row);
    left -= rows.length;
    url = next;
  }
  await browser.close();
}

module.exports = { readPage };
if (require.main === module) main();
