// Package coresdk is the SDK of a Go Worker: read the input, push rows, write log lines, report
// progress.
//
//	var task struct{ Url string }
//	if err := coresdk.Parameter.GetInput(ctx, &task); err != nil { ... }
//	_, err := coresdk.Result.PushData(ctx, map[string]any{"url": task.Url})
//	coresdk.Log.Info(ctx, "done")
//	coresdk.Progress.Set(ctx, 1, 20, "first page") // shown by Fyke, ignored by other platforms
//
// Every call returns when the platform has carried it out: a row that was pushed is on its disk.
// A refusal (a row over 8 MiB, a run that is full) is an *Error, whose text names the limit.
// The package needs Go 1.24 and the standard library, so that a Worker builds without a download.
package coresdk

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Address is the address at which the platform listens, the same for every Worker.
var Address = "127.0.0.1:20086"

const (
	unimplemented = 12
	unavailable   = 14
)

// Error says that the platform did not carry out a call; Code is the code of its answer.
type Error struct {
	Code    int32
	Message string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the platform answered code %d", e.Code)
	}
	return e.Message
}

type parameterService struct{}
type resultService struct{}
type logService struct{}
type progressService struct{}

var (
	// Parameter is the input of this task.
	Parameter parameterService
	// Result takes the columns and rows of this task.
	Result resultService
	// Log takes lines for the log of the run.
	Log logService
	// Progress takes how far this task is. A call of Fyke: other platforms do not have it.
	Progress progressService
)

// GetInputJSONString returns the input as JSON text, "{}" when there is none.
func (parameterService) GetInputJSONString(ctx context.Context) (string, error) {
	response, err := callParameterGetInputJSONString(ctx)
	if err != nil {
		return "", err
	}
	if response.Code != 0 {
		return "", &Error{response.Code, response.JsonString}
	}
	if response.JsonString == "" {
		return "{}", nil
	}
	return response.JsonString, nil
}

// GetInput reads the input into a struct or a map, as json.Unmarshal does.
func (p parameterService) GetInput(ctx context.Context, target any) error {
	text, err := p.GetInputJSONString(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), target)
}

// SetTableHeader declares the columns. The last call counts.
func (resultService) SetTableHeader(ctx context.Context, headers []*TableHeaderItem) (*Response, error) {
	return checked(callResultSetTableHeader(ctx, &TableHeader{Headers: headers}))
}

// PushData stores one row: a map or a struct, or a string that holds the JSON of one.
func (resultService) PushData(ctx context.Context, data any) (*Response, error) {
	text, isText := data.(string)
	if !isText {
		encoded, err := encode(data)
		if err != nil {
			return nil, err
		}
		text = encoded
	}
	return checked(callResultPushData(ctx, &Data{JsonString: text}))
}

// UpsertData stores one row, or merges it into the row of this run that has the same value in the
// column uniqueKey. The row is a map or a struct.
func (r resultService) UpsertData(ctx context.Context, data any, uniqueKey string) (*Response, error) {
	if uniqueKey == "" {
		return nil, errors.New("uniqueKey is required")
	}
	row, err := fields(data)
	if err != nil {
		return nil, err
	}
	value, found := row[uniqueKey]
	if !found {
		return nil, fmt.Errorf("uniqueKey [%s] not found in data", uniqueKey)
	}
	marked := make(map[string]any, len(row)+2)
	for key, value := range row {
		marked[key] = value
	}
	marked["__coreclaw_upsert_key__"] = uniqueKey
	marked["__coreclaw_upsert_value__"] = fmt.Sprint(value)
	return r.PushData(ctx, marked)
}

// Debug writes a line of the lowest level.
func (logService) Debug(ctx context.Context, text string) (*Response, error) {
	return checked(callLogDebug(ctx, &LogBody{Log: text}))
}

// Info writes a line of the usual level.
func (logService) Info(ctx context.Context, text string) (*Response, error) {
	return checked(callLogInfo(ctx, &LogBody{Log: text}))
}

// Warn writes a warning.
func (logService) Warn(ctx context.Context, text string) (*Response, error) {
	return checked(callLogWarn(ctx, &LogBody{Log: text}))
}

// Error writes an error.
func (logService) Error(ctx context.Context, text string) (*Response, error) {
	return checked(callLogError(ctx, &LogBody{Log: text}))
}

// Set shows done of total, 0 if it is not known, and one line of text while the task runs. The last
// call counts. On a platform without it, nothing happens.
func (progressService) Set(ctx context.Context, done, total int64, text string) (*Response, error) {
	body := &ProgressBody{Done: done, Total: total, Text: text}
	response, err := checked(callProgressSet(ctx, body))
	var refused *Error
	if errors.As(err, &refused) && refused.Code == unimplemented {
		return &Response{Message: "this platform shows no progress"}, nil
	}
	return response, err
}

func checked(response *Response, err error) (*Response, error) {
	if err != nil {
		return nil, err
	}
	if response.Code != 0 {
		return response, &Error{response.Code, response.Message}
	}
	return response, nil
}

// encode leaves & and < as they are: they are part of addresses, and nobody puts a row into HTML.
func encode(data any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

func fields(data any) (map[string]any, error) {
	if row, isMap := data.(map[string]any); isMap {
		return row, nil
	}
	text, err := encode(data)
	if err != nil {
		return nil, err
	}
	row := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&row); err != nil {
		return nil, fmt.Errorf("a row to upsert must be a map or a struct: %w", err)
	}
	return row, nil
}

// room limits the calls in progress: there is one connection, which carries 1000 at once.
var room = make(chan struct{}, 500)

// transport speaks HTTP/2 without TLS, to the platform alone and through no proxy.
var transport = func() http.RoundTripper {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		Protocols:       protocols,
		MaxConnsPerHost: 1,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, Address)
		},
	}
}()

func call(ctx context.Context, path string, request, response message) error {
	content := request.marshal()
	body := make([]byte, 5, 5+len(content))
	binary.BigEndian.PutUint32(body[1:], uint32(len(content)))
	body = append(body, content...)
	asked, err := http.NewRequestWithContext(
		ctx, http.MethodPost, "http://"+Address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	asked.Header = http.Header{
		"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {""}}
	select {
	case room <- struct{}{}:
		defer func() { <-room }()
	case <-ctx.Done():
		return ctx.Err()
	}
	answer, err := transport.RoundTrip(asked)
	if err != nil {
		return lost(ctx, err)
	}
	defer answer.Body.Close()
	reply, err := io.ReadAll(answer.Body)
	return read(ctx, answer, reply, err, response)
}

func read(ctx context.Context, answer *http.Response, reply []byte, err error, into message) error {
	status := answer.Trailer.Get("Grpc-Status")
	words := answer.Trailer.Get("Grpc-Message")
	if status == "" { // a refusal has headers alone
		status, words = answer.Header.Get("Grpc-Status"), answer.Header.Get("Grpc-Message")
	}
	if code, wrong := strconv.Atoi(status); wrong == nil && code != 0 {
		if plain, wrong := url.PathUnescape(words); wrong == nil {
			words = plain
		}
		return &Error{int32(code), words}
	}
	if err != nil {
		return lost(ctx, err)
	}
	if status != "0" || len(reply) < 5 || uint32(len(reply)-5) != binary.BigEndian.Uint32(reply[1:]) {
		return lost(ctx, errors.New("cut off"))
	}
	return into.unmarshal(reply[5:])
}

func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Error{unavailable, "no answer from the platform: " + err.Error()}
}
