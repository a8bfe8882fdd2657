// Run a Worker from start to file: start, callback, poll, page, export.
//
//	FYKE_KEY=... FYKE_WORKER=owner/website-content-crawler go run . results.csv
//
// See ../README.md for the variables.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	ready = iota + 1
	running
	succeeded
	failed
	aborted
)

const pageSize = 100

var (
	baseURL = env("FYKE_URL", "http://127.0.0.1:8100")
	worker  = os.Getenv("FYKE_WORKER")
	secret  = os.Getenv("FYKE_WEBHOOK_SECRET")
	port    = env("FYKE_CALLBACK_PORT", "8099")
	client  = &http.Client{Timeout: 30 * time.Second}
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

type answer struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// call posts body and reads data into result; it waits and tries again while the platform says
// "too many requests".
func call(path string, body, result any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		request, err := http.NewRequest("POST", baseURL+path, bytes.NewReader(text))
		if err != nil {
			return err
		}
		request.Header.Set("api-key", os.Getenv("FYKE_KEY"))
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		var got answer
		err = json.NewDecoder(response.Body).Decode(&got)
		response.Body.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if got.Code == 4290 && attempt < 5 {
			wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
			if err != nil {
				wait = 1 << attempt
			}
			time.Sleep(time.Duration(wait) * time.Second)
			continue
		}
		if got.Code != 0 {
			return fmt.Errorf("%s: %d %s", path, got.Code, got.Message)
		}
		return json.Unmarshal(got.Data, result)
	}
}

// isGenuine checks a callback as Standard Webhooks says: HMAC-SHA256 over id, time and body, no
// older than five minutes.
func isGenuine(secret string, header http.Header, body []byte, now time.Time) bool {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	sentAt, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(sentAt, 0)).Abs() > 5*time.Minute {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, given := range strings.Fields(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(given), expected) {
			return true
		}
	}
	return false
}

// listen takes callbacks. The same one may come twice: compare webhook-id.
func listen() <-chan string {
	ended := make(chan string, 1)
	handle := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || !isGenuine(secret, r.Header, body, time.Now()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		var payload struct {
			Status    int    `json:"status"`
			RunStatus string `json:"run_status"`
		}
		if json.Unmarshal(body, &payload) == nil && payload.Status >= succeeded {
			select {
			case ended <- payload.RunStatus:
			default:
			}
		}
	}
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(handle))) }()
	return ended
}

type detail struct {
	Status   int    `json:"status"`
	ErrMsg   string `json:"err_msg"`
	Duration int    `json:"duration"`
	Usage    string `json:"usage"`
}

func run(file string) error {
	var callbackURL string
	var ended <-chan string
	if secret != "" {
		ended = listen()
		callbackURL = "http://127.0.0.1:" + port + "/callback"
	}

	custom := json.RawMessage(env("FYKE_INPUT", "{}"))
	var started struct {
		RunSlug string `json:"run_slug"`
	}
	err := call("/api/v1/scraper/run", map[string]any{
		"scraper_slug": worker,
		"is_async":     true,
		"callback_url": callbackURL,
		"input":        map[string]any{"parameters": map[string]any{"custom": custom}},
	}, &started)
	if err != nil {
		return err
	}
	slug := map[string]any{"run_slug": started.RunSlug}
	fmt.Println("started", started.RunSlug)

	var seen detail
	for {
		if err := call("/api/v1/run/detail", slug, &seen); err != nil {
			return err
		}
		if seen.Status >= succeeded {
			break
		}
		time.Sleep(time.Second)
	}
	if seen.Status != succeeded {
		return fmt.Errorf("the run ended with status %d: %s", seen.Status, seen.ErrMsg)
	}
	fmt.Printf("succeeded after %d s, %s USD\n", seen.Duration, seen.Usage)

	var rows []json.RawMessage
	for page := 1; ; page++ {
		var listed struct {
			List []json.RawMessage `json:"list"`
		}
		err := call("/api/v1/run/result/list", map[string]any{
			"run_slug": started.RunSlug, "page_index": page, "page_size": pageSize,
		}, &listed)
		if err != nil {
			return err
		}
		rows = append(rows, listed.List...)
		if len(listed.List) < pageSize {
			break
		}
	}
	fmt.Println("read", len(rows), "rows")

	if err := export(started.RunSlug, file); err != nil {
		return err
	}
	fmt.Println("exported", file)

	if ended != nil {
		select {
		case status := <-ended:
			fmt.Println("callback says", status)
		case <-time.After(30 * time.Second):
			return fmt.Errorf("no callback came")
		}
	}
	return nil
}

func export(slug, file string) error {
	var link struct {
		DownloadURL string `json:"download_url"`
	}
	body := map[string]any{"run_slug": slug, "format": "csv"}
	if err := call("/api/v1/run/result/export", body, &link); err != nil {
		return err
	}
	download, err := http.Get(link.DownloadURL)
	if err != nil {
		return err
	}
	defer download.Body.Close()
	if download.StatusCode != http.StatusOK {
		return fmt.Errorf("download: %s", download.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, download.Body); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func main() {
	file := "results.csv"
	if len(os.Args) > 1 {
		file = os.Args[1]
	}
	if err := run(file); err != nil {
		log.Fatal(err)
	}
}
