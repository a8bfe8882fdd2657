// A Worker on the stubs that protoc makes: stubs ADDRESS ROW...
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	sdk "stubs/sdk"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	time.Sleep(2 * time.Second) // as published Workers do before their first call
	ctx := context.Background()
	way := must(grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials())))
	fmt.Println(must(sdk.NewParameterClient(way).GetInputJSONString(ctx, &emptypb.Empty{})).JsonString)
	result, log := sdk.NewResultClient(way), sdk.NewLogClient(way)
	header := &sdk.TableHeaderItem{Label: "L", Key: "k", Format: "text"}
	must(result.SetTableHeader(ctx, &sdk.TableHeader{Headers: []*sdk.TableHeaderItem{header}}))
	for _, row := range os.Args[2:] {
		must(result.PushData(ctx, &sdk.Data{JsonString: row}))
	}
	must(log.Debug(ctx, &sdk.LogBody{Log: "Debug"}))
	must(log.Info(ctx, &sdk.LogBody{Log: "Info"}))
	must(log.Warn(ctx, &sdk.LogBody{Log: "Warn"}))
	must(log.Error(ctx, &sdk.LogBody{Log: "Error"}))
	body := &sdk.ProgressBody{Done: 2, Total: 8, Text: "page 2"}
	must(sdk.NewProgressClient(way).Set(ctx, body))
}
