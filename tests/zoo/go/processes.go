package main

import (
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

var one = row{"n": 1}

func child(name string) *exec.Cmd {
	command := exec.Command("/work/main", name)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return command
}

var children = map[string]func(){
	"sleeps": func() {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(time.Hour)
	},
	"spins": func() {
		for {
		}
	},
	"bombs": func() {
		for {
			child("bombs").Start()
		}
	},
	"eats": func() {
		for {
			blocks = append(blocks, filled(16<<20))
		}
	},
}

func init() {
	for name, behaviour := range map[string]func() row{
		"never_exits": func() row {
			push(one)
			time.Sleep(time.Hour)
			return nil
		},
		"ignores_sigterm": func() row {
			signal.Ignore(syscall.SIGTERM)
			push(one)
			time.Sleep(time.Hour)
			return nil
		},
		"stops_itself": func() row {
			push(one)
			syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			time.Sleep(time.Hour)
			return nil
		},
		"deadlocks": func() row {
			push(one)
			// the connection of the SDK keeps the runtime from seeing it
			<-make(chan int)
			return nil
		},
		"fork_bomb": func() row {
			push(one)
			for {
				child("bombs").Start()
			}
		},
		"bombs_with_threads": func() row {
			push(one)
			for {
				go func() {
					runtime.LockOSThread()
					time.Sleep(time.Hour)
				}()
				time.Sleep(time.Millisecond)
			}
		},
		"makes_a_million_goroutines": func() row {
			for n := 0; n < 100_000; n++ {
				go time.Sleep(time.Hour)
			}
			return one
		},
		"leaves_daemons": func() row {
			for n := 0; n < 20; n++ {
				child("sleeps").Start()
			}
			return one
		},
		"children_hold_the_output": func() row {
			for n := 0; n < 5; n++ {
				command := child("sleeps")
				command.Stdout, command.Stderr = os.Stdout, os.Stderr
				command.Start()
			}
			return one
		},
		"spins": func() row {
			push(one)
			for n := 0; n < 8; n++ {
				go func() {
					for {
					}
				}()
			}
			select {}
		},
		"spins_in_children": func() row {
			push(one)
			for n := 0; n < 8; n++ {
				child("spins").Start()
			}
			time.Sleep(time.Hour)
			return nil
		},
		"makes_zombies": func() row {
			for n := 0; n < 60; n++ {
				exec.Command("/bin/true").Start()
			}
			time.Sleep(200 * time.Millisecond)
			return one
		},
		"exits_at_once":             func() row { os.Exit(0); return nil },
		"exits_with_3":              func() row { push(one); println("the site said no"); os.Exit(3); return nil },
		"exits_with_255":            func() row { push(one); os.Exit(255); return nil },
		"exits_with_256":            func() row { push(one); syscall.Exit(256); return nil },
		"exits_as_if_out_of_memory": func() row { push(one); os.Exit(137); return nil },
		"panics":                    func() row { push(one); panic("price not found on page 7") },
		"panics_elsewhere": func() row {
			push(one)
			go panic("in a goroutine")
			select {}
		},
		"dereferences_nothing": func() row {
			push(one)
			var nothing *struct{ n int }
			return row{"n": nothing.n}
		},
		"recurses": func() row { push(one); return row{"n": again(0)} },
		"aborts":   func() row { push(one); return signalled(syscall.SIGABRT) },
		"segfaults": func() row {
			push(one)
			return signalled(syscall.SIGSEGV)
		},
		"kills_itself_hard": func() row { push(one); return signalled(syscall.SIGKILL) },
		"kills_all_it_can": func() row {
			push(one)
			syscall.Kill(-1, syscall.SIGKILL)
			syscall.Kill(1, syscall.SIGKILL)
			return signalled(syscall.SIGTERM)
		},
		"starts_with_a_huge_environment": func() row {
			command := exec.Command("/bin/true")
			command.Env = []string{"X=" + strings.Repeat("x", 1<<22)}
			if err := command.Run(); err != nil {
				return row{"too_long": strings.Contains(err.Error(), "too long")}
			}
			return row{"too_long": false}
		},
		"changes_its_priority": func() row {
			nice := syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20)
			parameters := [1]int32{50}
			_, _, fifo := syscall.Syscall(syscall.SYS_SCHED_SETSCHEDULER, 0, 1, address(&parameters))
			return row{"refused": nice == syscall.EACCES && fifo == syscall.EPERM}
		},
	} {
		behaviours[name] = behaviour
	}
}

// What its own runtime would catch is sent with the default action.
func signalled(number syscall.Signal) row {
	signal.Reset()
	var fatal [4]uint64 // SIG_DFL
	syscall.Syscall6(syscall.SYS_RT_SIGACTION, uintptr(number), address(&fatal), 0, 8, 0, 0)
	syscall.Kill(os.Getpid(), number)
	time.Sleep(time.Hour)
	return nil
}

func again(depth int) int { return again(depth+1) + 1 }
