package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	coresdk "worker/GoSdk"
)

func send(port string, words []byte) {
	connection, err := net.DialTimeout("tcp", "127.0.0.1:"+port, 10*time.Second)
	if err != nil {
		return
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(20 * time.Second))
	connection.Write(words)
	connection.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, connection)
}

func onSignal(last func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	push(one)
	<-signals
	last()
	os.Exit(0)
}

// Pushes rows by many at once until the platform says that it is enough.
func pushUntilFull(make func() row) row {
	var pushing sync.WaitGroup
	for n := 0; n < 64; n++ {
		pushing.Add(1)
		go func() {
			defer pushing.Done()
			for push(make()) == nil {
			}
		}()
	}
	pushing.Wait()
	time.Sleep(time.Hour)
	return nil
}

func init() {
	for name, behaviour := range map[string]func() row{
		"floods_the_log": func() row {
			line := strings.Repeat("x", 1000)
			for n := 0; n < 20_000; n++ {
				fmt.Println(n, line)
			}
			return one
		},
		"floods_without_a_line_end": func() row {
			for n := 0; n < 40; n++ {
				os.Stdout.Write(block)
			}
			return one
		},
		"prints_control_bytes": func() row {
			every := make([]byte, 256)
			for n := range every {
				every[n] = byte(n)
			}
			os.Stdout.Write(append(every, "\x1b]0;title\x07\x1b[2J\u202egnp.exe\r\n"...))
			return one
		},
		"closes_its_output": func() row {
			syscall.Close(1)
			syscall.Close(2)
			return one
		},
		"prints_after_the_signal": func() row {
			onSignal(func() { fmt.Println("the last words") })
			return nil
		},
		"pushes_after_the_signal": func() row {
			onSignal(func() { push(row{"n": 2}) })
			return nil
		},
		"sends_garbage": func() row {
			preface := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
			garbage := append(preface, bytes.Repeat([]byte{255}, 65536)...)
			for _, words := range [][]byte{make([]byte, 65536), garbage, []byte("GET / HTTP/1.1\r\n\r\n")} {
				send("20086", words)
				send("1080", words)
			}
			return one
		},
		"connects_ten_thousand_times": func() row {
			var waiting sync.WaitGroup
			for n := 0; n < 32; n++ {
				waiting.Add(1)
				go func() {
					defer waiting.Done()
					for n := 0; n < 312; n++ {
						send("20086", []byte("PRI"))
					}
				}()
			}
			waiting.Wait()
			return one
		},
		"calls_with_too_much": func() row {
			_, err := coresdk.Log.Info(ctx, strings.Repeat("x", 70*mib))
			return row{"met": err != nil}
		},
		"pushes_a_big_row": func() row {
			push(row{"n": 1, "text": strings.Repeat("x", 5*mib)})
			err := push(row{"n": 2, "text": strings.Repeat("x", 9*mib)})
			return row{"refused": err != nil && strings.Contains(err.Error(), "MiB")}
		},
		"pushes_nonsense": func() row {
			refused := 0
			for _, text := range []string{"", "{", "null", "7", `{"":{}}`, `{"a":"\udfff"}`, "\xff\xfe", strings.Repeat("[", 100_000)} {
				if _, err := coresdk.Result.PushData(ctx, text); err != nil {
					refused++
				}
			}
			return row{"refused": refused > 1}
		},
		"pushes_too_many_rows":  func() row { return pushUntilFull(func() row { return one }) },
		"pushes_too_many_bytes": func() row { return pushUntilFull(func() row { return row{"x": string(block)} }) },
		"knocks_at_the_machine": func() row {
			met := map[string]bool{}
			for _, address := range []string{"127.0.0.1:8100", "169.254.169.254:80", "192.0.2.1:80"} {
				connection, err := net.DialTimeout("tcp", address, 3*time.Second)
				if err == nil {
					connection.Close()
				}
				met[named(err)] = true
			}
			found := []string{}
			for name := range met {
				found = append(found, name)
			}
			sort.Strings(found)
			return row{"met": found}
		},
	} {
		behaviours[name] = behaviour
	}
}
