// Stores the quotes of a site, page by page, with Crawlee.
"use strict";

const { CheerioCrawler } = require("@crawlee/cheerio");
const { parameter, result } = require("./sdk");

// Returns the rows of a page.
function readPage($, url) {
  return $(".quote").toArray().map((quote) => ({
    text: $(".text", quote).text(),
    author: $(".author", quote).text(),
    tags: $(".tag", quote).toArray().map((tag) => $(tag).text()),
    url,
  }));
}

async function main() {
  const task = await parameter.getInputJSONObject();
  let left = task.max_results || 30;
  const crawler = new CheerioCrawler({
    async requestHandler({ $, request, enqueueLinks }) {
      const rows = readPage($, request.url);
      if (!rows.length) throw new Error("no quote was found");
      for (const row of rows.slice(0, left)) {
        await result.pushData(row);
        left -= 1;
      }
      if (left) await enqueueLinks({ selector: ".next a" });
    },
  });
  const statistics = await crawler.run([task.url || "https://quotes.toscrape.com/"]);
  if (statistics.requestsFailed) throw new Error(`${statistics.requestsFailed} pages failed`);
}

module.exports = { readPage };
if (require.main === module) main();
