// Reads the rows of a page as the libraries for Go do, with the standard library alone.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"

	coresdk "worker/GoSdk"
)

const items = `new Promise((resolve, reject) => {
  setTimeout(reject, 10000);
  const read = () => {
    const items = [...document.querySelectorAll(".item")];
    if (!items.length) return setTimeout(read, 20);
    resolve(items.map((item) => ({name: item.textContent, price: +item.dataset.price})));
  };
  read();
})`

var ways = map[string]func(string) ([]any, error){
	// chromedp.NewExecAllocator: the first program of some names on the path
	"path": func(page string) ([]any, error) { return launched("chromium", page) },
	// rod's launcher.New: the build of its release in the home folder, if it works
	"rod": func(page string) ([]any, error) {
		program := os.Getenv("HOME") + "/.cache/rod/browser/chromium-1321438/chrome"
		empty, err := exec.Command(program, "--headless", "--no-sandbox", "--use-mock-keychain",
			"--disable-dev-shm-usage", "--disable-gpu", "--dump-dom", "about:blank").Output()
		if err != nil {
			return nil, err
		}
		if !strings.Contains(string(empty), "<html><head></head><body></body></html>") {
			return nil, fmt.Errorf("rod would download a browser: %q", empty)
		}
		return launched(program, page)
	},
	// rod's ControlURL: the address itself
	"address": func(page string) ([]any, error) { return connected(os.Getenv("BROWSER_WS"), page) },
	// chromedp.NewRemoteAllocator, rod's launcher.ResolveURL: what /json/version says
	"version": func(page string) ([]any, error) {
		address, err := resolved(os.Getenv("BROWSER_WS"))
		if err != nil {
			return nil, err
		}
		return connected(address, page)
	},
}

func main() {
	ctx := context.Background()
	var task struct{ URL, Way string }
	if err := coresdk.Parameter.GetInput(ctx, &task); err != nil {
		log.Fatal(err)
	}
	rows, err := ways[task.Way](task.URL)
	if err != nil {
		log.Fatal(err)
	}
	for _, row := range rows {
		if _, err := coresdk.Result.PushData(ctx, row); err != nil {
			log.Fatal(err)
		}
	}
}

// Starts a browser, reads a page in its first tab, and closes it.
func launched(program, page string) ([]any, error) {
	folder, err := os.MkdirTemp("", "profile")
	if err != nil {
		return nil, err
	}
	command := exec.Command(program, "--headless", "--no-sandbox", "--no-startup-window",
		"--remote-debugging-port=0", "--user-data-dir="+folder, "about:blank")
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		return nil, err
	}
	address, found, said := "", false, []string{}
	for lines := bufio.NewScanner(output); !found && lines.Scan(); {
		address, found = strings.CutPrefix(lines.Text(), "DevTools listening on ")
		said = append(said, lines.Text())
	}
	output.Close() // chromedp reads no more
	if !found {
		return nil, fmt.Errorf("no address in %q", said)
	}
	if address, err = resolved(address); err != nil { // as rod does
		return nil, err
	}
	browser, err := dial(address)
	if err != nil {
		return nil, err
	}
	var targets struct {
		TargetInfos []struct{ TargetID, Type, URL string }
	}
	if err := browser.ask("", "Target.getTargets", map[string]any{}, &targets); err != nil {
		return nil, err
	}
	if len(targets.TargetInfos) != 1 || targets.TargetInfos[0].URL != "about:blank" {
		return nil, fmt.Errorf("not one empty tab: %v", targets)
	}
	rows, err := browser.rows(targets.TargetInfos[0].TargetID, page)
	if err != nil {
		return nil, err
	}
	if err := browser.ask("", "Browser.close", map[string]any{}, &struct{}{}); err != nil {
		return nil, err
	}
	return rows, command.Wait()
}

func connected(address, page string) ([]any, error) {
	browser, err := dial(address)
	if err != nil {
		return nil, err
	}
	var created struct{ TargetID string }
	blank := map[string]any{"url": "about:blank"}
	if err := browser.ask("", "Target.createTarget", blank, &created); err != nil {
		return nil, err
	}
	return browser.rows(created.TargetID, page)
}

// The address of the browser's WebSocket, by asking for it over HTTP.
func resolved(address string) (string, error) {
	place, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	place.Scheme, place.Path = "http", "/json/version"
	answer, err := http.Get(place.String())
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var version struct {
		Address string `json:"webSocketDebuggerUrl"`
	}
	err = json.NewDecoder(answer.Body).Decode(&version)
	return version.Address, err
}

func (d *devtools) rows(target, page string) ([]any, error) {
	var attached struct{ SessionID string }
	attach := map[string]any{"targetId": target, "flatten": true}
	if err := d.ask("", "Target.attachToTarget", attach, &attached); err != nil {
		return nil, err
	}
	session := attached.SessionID
	var opened struct{ ErrorText string }
	if err := d.ask(session, "Page.navigate", map[string]any{"url": page}, &opened); err != nil {
		return nil, err
	}
	if opened.ErrorText != "" {
		return nil, errors.New(opened.ErrorText)
	}
	evaluate := map[string]any{"expression": items, "returnByValue": true, "awaitPromise": true}
	var answer struct {
		Result struct{ Value []any }
	}
	err := d.ask(session, "Runtime.evaluate", evaluate, &answer)
	return answer.Result.Value, err
}
