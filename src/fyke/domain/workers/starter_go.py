"""The files of a new Go Worker without the SDK; it does the same as the Python one."""

from __future__ import annotations

from fyke.domain.workers.starter import INPUT_SCHEMA, OUTPUT_SCHEMA, readme

MAIN = """\
// Fetches web pages and stores their titles, one row for each.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	coresdk "worker/GoSdk"
)

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// Page is an item of the input: an address, or an object with one.
type Page struct {
	URL string `json:"url"`
}

// UnmarshalJSON accepts both forms.
func (p *Page) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &p.URL); err == nil {
		return nil
	}
	type plain Page
	return json.Unmarshal(data, (*plain)(p))
}

// Row is the stored result of one page, with the error when it could not be fetched.
type Row struct {
	URL    string `json:"url"`
	Status int    `json:"status"`
	Title  string `json:"title"`
	Bytes  int    `json:"bytes"`
	Error  string `json:"error"`
}

// The platform's proxy is the only network access of the sandbox.
func newClient() *http.Client {
	proxy := &url.URL{Scheme: "http", Host: os.Getenv("PROXY_DOMAIN")}
	if user, password, found := strings.Cut(os.Getenv("PROXY_AUTH"), ":"); found {
		proxy.User = url.UserPassword(user, password)
	}
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy)},
	}
}

func visit(client *http.Client, address string) Row {
	row := Row{URL: address}
	response, err := client.Get(address)
	if err != nil {
		row.Error = err.Error()
		return row
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		row.Error = err.Error()
		return row
	}
	row.Status, row.Bytes = response.StatusCode, len(body)
	if found := title.FindSubmatch(body); found != nil {
		row.Title = strings.Join(strings.Fields(html.UnescapeString(string(found[1]))), " ")
	}
	return row
}

func run(ctx context.Context) error {
	var task struct {
		URLs []Page `json:"urls"`
	}
	if err := coresdk.Parameter.GetInput(ctx, &task); err != nil {
		return err
	}
	if len(task.URLs) == 0 {
		task.URLs = []Page{{"https://example.com/"}}
	}
	client := newClient()
	for _, page := range task.URLs {
		row := visit(client, page.URL)
		if _, err := coresdk.Result.PushData(ctx, row); err != nil {
			return err
		}
		outcome := row.Error
		if outcome == "" {
			outcome = fmt.Sprint(row.Status)
		}
		line := fmt.Sprintf("%s: %s %s", row.URL, outcome, row.Title)
		if _, err := coresdk.Log.Info(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err) // exit code 1: the platform counts the task as failed
	}
}
"""

ABOUT = """\
`main.go` is the Worker. `input_schema.json` defines the fields of its input, `output_schema.json`
the columns of its rows; `go.mod` and `go.sum` list its dependencies. The folder `GoSdk` connects it
to the platform; do not edit it.

The platform runs the program `main`. The commands above build it when Go is installed. By hand:

```sh
{build}
```
"""


def files(title: str, build: str) -> dict[str, str]:
    """Return the files of a new project: path to content. ``build``: the command for ``main``."""
    return {
        "main.go": MAIN,
        "input_schema.json": INPUT_SCHEMA,
        "output_schema.json": OUTPUT_SCHEMA,
        "README.md": readme(title, ABOUT.format(build=build)),
    }
