package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

const mib = 1 << 20

var (
	blocks [][]byte
	block  = bytes.Repeat([]byte("x"), mib)
)

func address[T any](value *T) uintptr { return uintptr(unsafe.Pointer(value)) }

func filled(size int) []byte {
	made := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		made[at] = 1
	}
	return made
}

func named(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		switch number {
		case syscall.ENOSPC:
			return "ENOSPC"
		case syscall.EFBIG:
			return "EFBIG"
		case syscall.EMFILE:
			return "EMFILE"
		case syscall.ENOMEM:
			return "ENOMEM"
		case syscall.ECONNREFUSED:
			return "ECONNREFUSED"
		case syscall.ENETUNREACH:
			return "ENETUNREACH"
		}
		return number.Error()
	}
	return fmt.Sprint(err)
}

func fill(path string, limit int) row {
	file, err := os.Create(path)
	written := 0
	for err == nil && written < limit {
		var n int
		n, err = file.Write(block)
		written += n
	}
	if err != nil {
		return row{"error": named(err), "mib": written / mib}
	}
	return row{"error": "none", "mib": written / mib}
}

func init() {
	for name, behaviour := range map[string]func() row{
		"eats_memory": func() row {
			push(one)
			for {
				blocks = append(blocks, filled(16*mib))
			}
		},
		"eats_memory_slowly": func() row {
			push(one)
			for {
				blocks = append(blocks, filled(8*mib))
				time.Sleep(5 * time.Millisecond)
			}
		},
		"eats_memory_in_a_child": func() row {
			push(one)
			for {
				child("eats").Run()
				time.Sleep(100 * time.Millisecond)
			}
		},
		"maps_memory": func() row {
			push(one)
			for {
				area, err := syscall.Mmap(-1, 0, 16*mib, 3, syscall.MAP_ANON|syscall.MAP_SHARED)
				if err != nil {
					panic(err)
				}
				for at := 0; at < len(area); at += 4096 {
					area[at] = 1
				}
			}
		},
		"reserves_memory": func() row {
			for n := 0; n < 32; n++ {
				syscall.Mmap(-1, 0, 1<<30, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
			}
			return one
		},
		"locks_memory": func() row {
			blocks = append(blocks, filled(64*mib))
			return row{"error": named(syscall.Mlockall(3))}
		},
		"fills_the_disk": func() row {
			push(one)
			for n := 0; ; n++ {
				fill(fmt.Sprint("x", n), 32*mib)
			}
		},
		"fills_tmp":           func() row { return fill("/tmp/x", 1<<30) },
		"fills_shared_memory": func() row { return fill("/dev/shm/x", 1<<30) },
		"makes_many_files": func() row {
			push(one)
			for n := 0; ; n++ {
				if file, err := os.Create(fmt.Sprint("f", n)); err == nil {
					file.Close()
				}
			}
		},
		"makes_deep_folders": func() row {
			push(one)
			for {
				os.Mkdir("d", 0o755)
				os.Chdir("d")
				time.Sleep(time.Millisecond)
			}
		},
		"fills_a_file_without_a_name": func() row {
			push(one)
			file, _ := os.Create("x")
			os.Remove("x")
			for n := 0; n < 70; n++ {
				file.Write(block)
			}
			time.Sleep(time.Hour)
			file.Close()
			return nil
		},
		"makes_a_file_that_is_too_large": func() row {
			signal.Ignore(syscall.SIGXFSZ)
			file, _ := os.Create("large")
			return row{"error": named(file.Truncate(1 << 32))}
		},
		"opens_all_descriptors": func() row {
			var held []int
			for {
				number, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
				if err != nil {
					for _, number := range held[len(held)-8:] {
						syscall.Close(number)
					}
					return row{"error": named(err), "many": len(held) > 900}
				}
				held = append(held, number)
			}
		},
		"replaces_its_own_files": func() row {
			names, _ := os.ReadDir(".")
			for _, name := range names {
				os.RemoveAll(name.Name())
			}
			os.WriteFile("main", []byte("#!/bin/sh\nexit 9\n"), 0o755)
			os.WriteFile("/bundle/main", []byte("#!/bin/sh\nexit 9\n"), 0o755)
			return one
		},
		"leaves_links": func() row {
			for n, target := range []string{"/", "/etc/shadow", "..", "loop"} {
				os.Symlink(target, fmt.Sprint("link", n))
			}
			os.Symlink("loop", "loop")
			syscall.Mkfifo("pipe", 0o666)
			os.Chmod("main", 0o6755|os.ModeSetuid|os.ModeSetgid)
			return one
		},
	} {
		behaviours[name] = behaviour
	}
}
