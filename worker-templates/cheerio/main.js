// Stores the quotes of a site, page by page: fetch gets a page, Cheerio reads it.
"use strict";

const cheerio = require("cheerio");
const { parameter, result } = require("./sdk");

// Returns the rows of a page and the address of the next one, null after the last page.
function readPage(html, url) {
  const $ = cheerio.load(html);
  const rows = $(".quote").toArray().map((quote) => ({
    text: $(".text", quote).text(),
    author: $(".author", quote).text(),
    tags: $(".tag", quote).toArray().map((tag) => $(tag).text()),
    url,
  }));
  const link = $(".next a").attr("href");
  return [rows, link ? new URL(link, url).href : null];
}

async function main() {
  const task = await parameter.getInputJSONObject();
  let url = task.url || "https://quotes.toscrape.com/";
  let left = task.max_results || 30;
  while (url && left > 0) {
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
    const [rows, next] = readPage(await response.text(), url);
    for (const row of rows.slice(0, left)) await result.pushData(row);
    left -= rows.length;
    url = next;
  }
}

module.exports = { readPage };
if (require.main === module) main();
