// Tests without a network, in a browser: npm test
"use strict";

const assert = require("node:assert");
const { test } = require("node:test");
const puppeteer = require("puppeteer");

const { readPage } = require("./main");

const PAGE = `
<base href="https://quotes.toscrape.com/js/"><div id="quotes"></div>
<li class="next"><a href="/js/page/2/">Next</a></li>
<script>
quotes.innerHTML = '<div class="quote"><span class="text">“One”</span> ' +
  'by <small class="author">A. Author</small> <a class="tag">life</a> <a class="tag">love</a></div>';
</script>
`;
const ROW = { text: "“One”", author: "A. Author", tags: ["life", "love"], url: "about:blank" };

test("the rows and the next page", async () => {
  const browser = await puppeteer.launch({ timeout: 90_000 });
  try {
    const page = await browser.newPage();
    await page.setContent(PAGE);
    const next = "https://quotes.toscrape.com/js/page/2/";
    assert.deepStrictEqual(await readPage(page), [[ROW], next]);
  } finally {
    await browser.close();
  }
});
