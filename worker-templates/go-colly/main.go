// Stores the quotes of a site, page by page, with Colly.
package main

import (
	"context"
	"log"

	"github.com/gocolly/colly/v2"
	coresdk "worker/GoSdk"
)

// readQuote returns the row of a quote.
func readQuote(quote *colly.HTMLElement) map[string]any {
	return map[string]any{
		"text": quote.ChildText(".text"), "author": quote.ChildText(".author"),
		"tags": quote.ChildTexts(".tag"), "url": quote.Request.URL.String(),
	}
}

func main() {
	ctx := context.Background()
	task := struct {
		URL  string `json:"url"`
		Left int    `json:"max_results"` // how many rows may still be stored
	}{"https://quotes.toscrape.com/", 30}
	if err := coresdk.Parameter.GetInput(ctx, &task); err != nil {
		log.Fatal(err)
	}
	c := colly.NewCollector()
	c.OnHTML(".quote", func(quote *colly.HTMLElement) {
		if task.Left--; task.Left < 0 {
			return
		}
		if _, err := coresdk.Result.PushData(ctx, readQuote(quote)); err != nil {
			log.Fatal(err)
		}
	})
	c.OnHTML(".next a", func(link *colly.HTMLElement) {
		if task.Left > 0 {
			link.Request.Visit(link.Attr("href"))
		}
	})
	c.OnError(func(page *colly.Response, err error) { log.Fatalf("%s: %v", page.Request.URL, err) })
	if err := c.Visit(task.URL); err != nil {
		log.Fatal(err)
	}
}
