import scrapy


class Quotes(scrapy.Spider):
    name = "quotes"
    site = "https://quotes.toscrape.com/"
    tag = ""

    async def start(self):
        yield scrapy.Request(f"{self.site}tag/{self.tag}/" if self.tag else self.site)

    def parse(self, response):
        for quote in response.css(".quote"):
            yield {key: quote.css(f".{key}::text").get() for key in ("text", "author")}
        yield from response.follow_all(css=".next a")
