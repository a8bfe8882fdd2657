// One scenario of a Worker with our own SDK per call: worker ADDRESS SCENARIO
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	coresdk "worker/GoSdk"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func said[T any](_ T, err error) string {
	if err != nil {
		return err.Error()
	}
	return "nothing"
}

func everything(ctx context.Context) any {
	text := must(coresdk.Parameter.GetInputJSONString(ctx))
	input := map[string]any{}
	if err := coresdk.Parameter.GetInput(ctx, &input); err != nil {
		panic(err)
	}
	headers := []*coresdk.TableHeaderItem{{Label: "Name", Key: "name", Format: "text"}, {Key: "x"}}
	must(coresdk.Result.SetTableHeader(ctx, headers))
	must(coresdk.Result.PushData(ctx, map[string]any{"name": "\U0001f600", "url": "a&b<c"}))
	must(coresdk.Result.PushData(ctx, `{"twice": 1}`))
	must(coresdk.Result.PushData(ctx, `{"half": "\ud800"}`))
	must(coresdk.Result.UpsertData(ctx, struct {
		ID int `json:"id"`
		V  int `json:"v"`
	}{7, 1}, "id"))
	must(coresdk.Log.Debug(ctx, "d"))
	must(coresdk.Log.Info(ctx, "5"))
	must(coresdk.Log.Warn(ctx, "w"))
	must(coresdk.Log.Error(ctx, "e"))
	return map[string]any{"input": input, "text": text}
}

func refusals(ctx context.Context) any {
	result := coresdk.Result
	return []string{
		said(result.UpsertData(ctx, map[string]any{"a": 1}, "")),
		said(result.UpsertData(ctx, map[string]any{"a": 1}, "b")),
		said(result.PushData(ctx, map[string]any{"x": strings.Repeat("x", 9_000_000)})),
		said(result.PushData(ctx, map[string]any{"x": strings.Repeat("x", 17<<20)})),
		said(result.PushData(ctx, map[string]any{"after": "these"})),
	}
}

func many(ctx context.Context) any {
	var all sync.WaitGroup
	for i := range 3000 {
		all.Add(1)
		go func() {
			defer all.Done()
			must(coresdk.Result.PushData(ctx, map[string]any{"i": i}))
		}()
	}
	all.Wait()
	return "done"
}

func progress(ctx context.Context) any {
	progress := coresdk.Progress
	must(progress.Set(ctx, 1, 3, "first"))
	return []string{
		said(progress.Set(ctx, 2, 3, "  second\n"+strings.Repeat("x", 300))),
		said(progress.Set(ctx, -1, 3, "")),
		said(progress.Set(ctx, 1<<53, 0, "")),
		said(progress.Set(ctx, 3, 0, "")),
	}
}

func large(ctx context.Context) any {
	input := must(coresdk.Parameter.GetInputJSONString(ctx))
	must(coresdk.Result.PushData(ctx, map[string]any{"html": strings.Repeat("x", 6_000_000)}))
	return len(input)
}

func main() {
	coresdk.Address = os.Args[1]
	scenarios := map[string]func(context.Context) any{
		"everything": everything, "refusals": refusals, "many": many, "large": large,
		"progress": progress}
	outcome := scenarios[os.Args[2]](context.Background())
	fmt.Println(string(must(json.Marshal(outcome))))
}
