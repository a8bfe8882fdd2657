// Tests without a network: npm test
"use strict";

const assert = require("node:assert");
const { test } = require("node:test");

const { readPage } = require("./main");

const PAGE = `
<div class="quote"><span class="text">“One”</span> by <small class="author">A. Author</small>
<a class="tag">life</a> <a class="tag">love</a></div>
<li class="next"><a href="/page/2/">Next</a></li>
`;
const url = "https://quotes.toscrape.com/";
const ROW = { text: "“One”", author: "A. Author", tags: ["life", "love"], url };

test("the rows and the next page", () => {
  assert.deepStrictEqual(readPage(PAGE, url), [[ROW], `${url}page/2/`]);
});

test("the last page", () => {
  assert.deepStrictEqual(readPage("<p>No quotes found!</p>", url), [[], null]);
});
