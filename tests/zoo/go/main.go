// Many animals in one Worker: the input names the one that runs.
package main

import (
	"context"
	"fmt"
	"os"

	coresdk "worker/GoSdk"
)

type row = map[string]any

var ctx = context.Background()

// An animal returns the row that it ends with, nil for none.
var animals = map[string]func() row{}

func push(given row) error {
	_, err := coresdk.Result.PushData(ctx, given)
	return err
}

func main() {
	var given struct {
		Animal string `json:"animal"`
		Part   string `json:"part"`
	}
	if len(os.Args) > 1 { // a child of one of them
		children[os.Args[1]]()
		return
	}
	if err := coresdk.Parameter.GetInput(ctx, &given); err != nil {
		panic(err)
	}
	animal, known := animals[given.Animal]
	if !known {
		fmt.Fprintln(os.Stderr, "there is no", given.Animal)
		os.Exit(99)
	}
	if last := animal(); last != nil {
		if err := push(last); err != nil {
			panic(err)
		}
	}
}
