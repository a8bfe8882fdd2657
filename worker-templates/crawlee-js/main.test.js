// Tests without a network: npm test
"use strict";

const assert = require("node:assert");
const { test } = require("node:test");
const cheerio = require("cheerio");

const { readPage } = require("./main");

const PAGE = `
<div class="quote"><span class="text">“One”</span> by <small class="author">A. Author</small>
<a class="tag">life</a> <a class="tag">love</a></div>
`;
const url = "https://quotes.toscrape.com/";
const ROW = { text: "“One”", author: "A. Author", tags: ["life", "love"], url };

test("the rows of a page", () => {
  assert.deepStrictEqual(readPage(cheerio.load(PAGE), url), [ROW]);
});

test("a page without quotes", () => {
  assert.deepStrictEqual(readPage(cheerio.load("<p>No quotes found!</p>"), url), []);
});
