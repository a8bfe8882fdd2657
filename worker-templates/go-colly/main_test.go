// Tests without a network but loopback: go test .
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gocolly/colly/v2"
)

const page = `<div class="quote"><span class="text">“One”</span> by
<small class="author">A. Author</small> <a class="tag">life</a> <a class="tag">love</a></div>`

func TestTheRowOfAQuote(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	}))
	defer site.Close()
	var rows []string
	c := colly.NewCollector()
	c.OnHTML(".quote", func(quote *colly.HTMLElement) {
		rows = append(rows, fmt.Sprint(readQuote(quote)))
	})
	if err := c.Visit(site.URL + "/"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("map[author:A. Author tags:[life love] text:“One” url:%s/]", site.URL)
	if len(rows) != 1 || rows[0] != want {
		t.Errorf("%q is not %q", rows, want)
	}
}
