// Many behaviours in one Worker: the input names the one that runs.
package main

import (
	"context"
	"fmt"
	"os"

	coresdk "worker/GoSdk"
)

type row = map[string]any

var ctx = context.Background()

// A behaviour returns the row that it ends with, nil for none.
var behaviours = map[string]func() row{}

func push(given row) error {
	_, err := coresdk.Result.PushData(ctx, given)
	return err
}

func main() {
	var given struct {
		Behaviour string `json:"behaviour"`
		Part      string `json:"part"`
	}
	if len(os.Args) > 1 { // a child of one of them
		children[os.Args[1]]()
		return
	}
	if err := coresdk.Parameter.GetInput(ctx, &given); err != nil {
		panic(err)
	}
	behaviour, known := behaviours[given.Behaviour]
	if !known {
		fmt.Fprintln(os.Stderr, "there is no", given.Behaviour)
		os.Exit(99)
	}
	if last := behaviour(); last != nil {
		if err := push(last); err != nil {
			panic(err)
		}
	}
}
