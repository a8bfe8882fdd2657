// Tries to get out, by raw system calls. Prints, as JSON, what each try met.
//
// Every probe names the errors that count as a refusal, as probe.py does. PROBE_CALLS are the
// numbers of the system calls.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

type probe struct {
	name     string
	run      func() (any, error)
	refusals []string
}

var (
	probes  []probe
	calls   map[string]uintptr
	targets struct {
		Port      int      `json:"port"`
		Pid       int      `json:"pid"`
		Abstract  string   `json:"abstract"`
		Paths     []string `json:"paths"`
		Sockets   []string `json:"sockets"`
		Addresses []string `json:"addresses"`
	}
	refused = errors.New("Refused")
	space   [4096]byte
)

func add(name string, run func() (any, error), refusals ...string) {
	probes = append(probes, probe{name, run, refusals})
}

func pointer(text string) uintptr {
	bytes := append([]byte(text), 0)
	return uintptr(unsafe.Pointer(&bytes[0]))
}

func room() uintptr { return uintptr(unsafe.Pointer(&space[0])) }

func number(name string) uintptr {
	found, known := calls[name]
	if !known {
		return 9999 // this machine has no such call; the filter says the same
	}
	return found
}

func call(name string, arguments ...uintptr) func() (any, error) {
	return func() (any, error) {
		var all [6]uintptr
		copy(all[:], arguments)
		result, _, code := syscall.RawSyscall6(number(name), all[0], all[1], all[2], all[3], all[4], all[5])
		if code != 0 {
			return nil, code
		}
		return result, nil
	}
}

// A clone that is allowed makes a child, which has to leave at once.
func clone(flags uintptr) func() (any, error) {
	return func() (any, error) {
		child, _, code := syscall.RawSyscall6(number("clone"), flags|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if code != 0 {
			return nil, code
		}
		if child == 0 {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
		return child, nil
	}
}

func connect(network, address string) func() (any, error) {
	return func() (any, error) {
		connection, err := net.DialTimeout(network, address, 3*time.Second)
		if err == nil {
			connection.Close()
		}
		return "connected", err
	}
}

func send(address string) func() (any, error) {
	return func() (any, error) {
		connection, err := net.Dial("udp", address)
		if err != nil {
			return nil, err
		}
		return connection.Write([]byte("x"))
	}
}

func read(path string) func() (any, error) {
	return func() (any, error) {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			return os.ReadDir(path)
		}
		if err == nil {
			return os.ReadFile(path)
		}
		return nil, err
	}
}

func write(path string) func() (any, error) {
	return func() (any, error) {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return file.WriteString("x")
	}
}

func open(path string, flags int) func() (any, error) {
	return func() (any, error) { return syscall.Open(path, flags, 0) }
}

func said(truth bool, what any) (any, error) {
	if truth {
		return what, nil
	}
	return nil, refused
}

var namespaces = map[string]uintptr{
	"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "pid": 0x20000000,
	"ipc": 0x8000000, "uts": 0x4000000, "cgroup": 0x2000000, "time": 0x80,
}

func network() {
	gone := []string{"ECONNREFUSED", "ENETUNREACH"}
	port := fmt.Sprint(targets.Port)
	for _, host := range append([]string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0"}, targets.Addresses...) {
		add("the machine's service at "+host, connect("tcp", net.JoinHostPort(host, port)), gone...)
	}
	for _, host := range []string{"169.254.169.254", "192.0.2.1", "10.0.0.1", "2001:db8::1"} {
		add("connect to "+host, connect("tcp", net.JoinHostPort(host, "80")), gone...)
	}
	for _, address := range []string{"192.0.2.53:53", "224.0.0.251:5353", "[2001:db8::1]:53"} {
		add("UDP to "+address, send(address), gone...)
	}
	add("broadcast", send("255.255.255.255:9"), "ENETUNREACH", "EACCES")
	add("name look-up", func() (any, error) { return net.LookupHost("example.com") }, "lookup")
	add("metadata by http", func() (any, error) {
		answer, err := http.Get("http://169.254.169.254/latest/meta-data/")
		if err == nil {
			io.Copy(io.Discard, answer.Body)
		}
		return "answered", err
	}, gone...)
	add("abstract socket of the machine", connect("unix", "@"+targets.Abstract), "ECONNREFUSED")
	for _, path := range targets.Sockets {
		add("socket "+path, connect("unix", path), "ENOENT")
		add("datagram socket "+path, connect("unixgram", path), "ENOENT")
	}
	add("other network interfaces", func() (any, error) {
		found, err := net.Interfaces()
		if err != nil {
			return nil, err
		}
		return said(len(found) != 1 || found[0].Name != "lo", found)
	}, "Refused")
	for name, how := range map[string][3]uintptr{
		"raw ICMP": {2, 3, 1}, "raw IP": {2, 3, 255}, "ping": {2, 2, 1}, "SCTP": {2, 1, 132}, "raw ICMPv6": {10, 3, 58},
	} {
		add("socket: "+name, call("socket", how[0], how[1], how[2]), "EPROTONOSUPPORT")
	}
	for name, how := range map[string][3]uintptr{
		"packet": {17, 3, 3}, "VSOCK": {40, 1, 0}, "crypto": {38, 5, 0}, "Bluetooth": {31, 3, 1}, "CAN": {29, 3, 1},
		"TIPC": {30, 5, 0}, "RDS": {21, 5, 0}, "key": {15, 3, 2}, "XDP": {44, 3, 0}, "netlink audit": {16, 3, 9},
		"netlink netfilter": {16, 3, 12}, "netlink uevents": {16, 2, 15}, "netlink generic": {16, 3, 16},
	} {
		add("socket: "+name, call("socket", how[0], how[1], how[2]), "EAFNOSUPPORT")
	}
}

func processes() {
	add("see processes of the machine", func() (any, error) {
		entries, err := os.ReadDir("/proc")
		found := []string{}
		for _, entry := range entries {
			name := entry.Name()
			if name[0] >= '0' && name[0] <= '9' && name != "1" && name != fmt.Sprint(os.Getpid()) {
				found = append(found, name)
			}
		}
		if err != nil {
			return nil, err
		}
		return said(len(found) > 0, found)
	}, "Refused")
	add("signal a process of the machine", func() (any, error) { return nil, errOr(syscall.Kill(targets.Pid, 0)) }, "ESRCH")
	for _, name := range []string{"environ", "cmdline", "maps", "cwd", "root", "fd", "mountinfo", "ns/user"} {
		add("process 1: "+name, read("/proc/1/"+name), "ENOENT")
	}
	add("write the memory of process 1", open("/proc/1/mem", os.O_RDWR), "ENOENT")
	add("write the memory of a thread of process 1", open("/proc/1/task/1/mem", os.O_RDWR), "ENOENT")
	add("kill process 1", func() (any, error) {
		syscall.Kill(1, syscall.SIGKILL)
		return said(syscall.Kill(1, 0) != nil, "it is gone")
	}, "Refused")
	add("trace process 1", call("ptrace", 0x4206, 1), "EPERM")
	add("be traced", call("ptrace"), "EPERM")
	add("read the memory of process 1 by call", call("process_vm_readv", 1, room(), 1, room(), 1), "EPERM")
	add("write the memory of process 1 by call", call("process_vm_writev", 1, room(), 1, room(), 1), "EPERM")
	add("take a descriptor of process 1", call("pidfd_getfd", 3, 3), "EPERM")
	add("compare processes", call("kcmp", 1, 2), "EPERM")
	add("descriptors that we inherited", func() (any, error) {
		entries, err := os.ReadDir("/proc/self/fd")
		found := []string{}
		for _, entry := range entries {
			to, _ := os.Readlink("/proc/self/fd/" + entry.Name())
			own := strings.HasPrefix(to, "anon_inode:") || strings.HasPrefix(to, "/proc/") || to == ""
			if entry.Name() > "2" && !own {
				found = append(found, to)
			}
		}
		if err != nil {
			return nil, err
		}
		return said(len(found) > 0, found)
	}, "Refused")
}

func errOr(err error) error { return err }

func kernel() {
	for name, flag := range namespaces {
		add("unshare "+name, call("unshare", flag), "EPERM")
		if name != "time" {
			add("clone with a new "+name+" namespace", clone(flag), "EPERM")
		}
	}
	add("clone3", call("clone3", room(), 88), "ENOSYS")
	for name, arguments := range map[string][]uintptr{
		"setns": {0, 0}, "mount": {pointer("none"), pointer("/tmp"), pointer("tmpfs")}, "umount2": {pointer("/usr"), 2},
		"pivot_root": {pointer("/work"), pointer("/work")}, "chroot": {pointer("/tmp")}, "fsopen": {pointer("tmpfs")},
		"fsconfig": {}, "fsmount": {3}, "fspick": {}, "open_tree": {^uintptr(99), pointer("/"), 1}, "move_mount": {},
		"mount_setattr": {^uintptr(99), pointer("/"), 0, room(), 32}, "bpf": {}, "perf_event_open": {room()},
		"io_uring_setup": {8, room()}, "io_uring_enter": {3}, "io_uring_register": {3}, "userfaultfd": {1},
		"add_key": {pointer("user"), pointer("k"), pointer("v"), 1, ^uintptr(2)}, "request_key": {pointer("user")},
		"keyctl": {0, ^uintptr(2)}, "init_module": {}, "finit_module": {3}, "delete_module": {pointer("x")},
		"kexec_load": {}, "kexec_file_load": {}, "syslog": {3, room(), 100}, "swapon": {pointer("/x")},
		"swapoff": {pointer("/x")}, "reboot": {0xfee1dead, 672274793}, "settimeofday": {room()},
		"clock_settime": {0, room()}, "adjtimex": {room()}, "acct": {pointer("/tmp/x")}, "quotactl": {},
		"personality": {0x40000}, "fanotify_init": {}, "mbind": {}, "move_pages": {1}, "migrate_pages": {1},
		"vmsplice": {3}, "vhangup": {}, "sethostname": {pointer("evil"), 4}, "setdomainname": {pointer("evil"), 4},
		"open_by_handle_at": {^uintptr(99), room()}, "name_to_handle_at": {^uintptr(99), pointer("/"), room(), room()},
		"process_madvise": {3}, "set_mempolicy": {}, "statmount": {}, "listmount": {}, "sysfs": {}, "uselib": {},
		"iopl": {3}, "ioperm": {0, 1, 1}, "modify_ldt": {},
	} {
		add("call "+name, call(name, arguments...), "EPERM", "ENOSYS")
	}
	add("a call newer than the filter", func() (any, error) {
		_, _, code := syscall.RawSyscall(600, 0, 0, 0)
		return said(code != syscall.ENOSYS, code)
	}, "Refused")
	add("a call of the x32 kind", func() (any, error) {
		_, _, code := syscall.RawSyscall(0x40000000+39, 0, 0, 0)
		return said(code != syscall.ENOSYS, code)
	}, "Refused")
	add("type into a terminal", call("ioctl", 0, 0x5412, room()), "EPERM")
	add("the console's menu", call("ioctl", 0, 0x541C, room()), "EPERM")
	for name, id := range map[string]func(int) error{"user": syscall.Setuid, "group": syscall.Setgid} {
		add("become "+name+" 0", func() (any, error) { return nil, id(0) }, "EPERM", "EINVAL")
	}
	add("a child as root", func() (any, error) {
		command := exec.Command("/usr/bin/id")
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 0, Gid: 0}}
		return "started", command.Run()
	}, "EPERM", "EINVAL")
	add("a child in namespaces of its own", func() (any, error) {
		command := exec.Command("/usr/bin/id")
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
		return "started", command.Run()
	}, "EPERM", "ENOSYS")
}

func files() {
	hidden := []string{"ENOENT", "EACCES"}
	paths := []string{"/etc/shadow", "/root", "/home", "/var/lib", "/sys/kernel", "/boot", "/srv"}
	ours := "!! [d google/ d microsoft/]" // folders of the relay to the browser
	add("read /opt", read("/opt"), append(hidden, ours)...)
	for _, path := range append(paths, targets.Paths...) {
		add("read "+path, read(path), hidden...)
		add("read /proc/1/root"+path, read("/proc/1/root"+path), hidden...)
		add("read by steps back "+path, read("/work"+strings.Repeat("/..", 20)+path), hidden...)
	}
	for _, path := range []string{
		"/usr/x", "/etc/passwd", "/etc/hosts", "/x", "/run/x", "/run/fyke/shim.py", "/bundle/main", "/dev/x",
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
		"/proc/sysrq-trigger", "/proc/self/uid_map",
	} {
		add("write "+path, write(path), "EROFS", "EACCES", "EPERM", "ENOENT")
	}
	for _, name := range []string{"mem", "kmsg", "kvm", "fuse", "net/tun", "vda", "sda", "vsock"} {
		add("open /dev/"+name, open("/dev/"+name, os.O_RDONLY), "ENOENT")
	}
	add("the controlling terminal", open("/dev/tty", os.O_RDWR), "ENXIO")
	for name, kind := range map[string]uint32{"block": syscall.S_IFBLK, "character": syscall.S_IFCHR} {
		add("make a "+name+" device", func() (any, error) { return nil, syscall.Mknod("/tmp/"+name, kind|0o600, 254<<8) }, "EPERM")
	}
	add("write by /proc/self/exe", open("/proc/self/exe", os.O_WRONLY), "EACCES", "EROFS", "ETXTBSY")
	add("raise a limit", func() (any, error) {
		return nil, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20})
	}, "EPERM")
}

var names = map[syscall.Errno]string{
	syscall.EPERM: "EPERM", syscall.ENOENT: "ENOENT", syscall.ESRCH: "ESRCH", syscall.EACCES: "EACCES",
	syscall.EROFS: "EROFS", syscall.EINVAL: "EINVAL", syscall.ENOSYS: "ENOSYS", syscall.ENXIO: "ENXIO",
	syscall.ETXTBSY: "ETXTBSY", syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ENETUNREACH: "ENETUNREACH",
	syscall.EAFNOSUPPORT: "EAFNOSUPPORT", syscall.EPROTONOSUPPORT: "EPROTONOSUPPORT",
}

func outcome(given probe) string {
	result, err := given.run()
	var code syscall.Errno
	var look *net.DNSError
	switch {
	case err == nil:
		return fmt.Sprintf("!! %.80v", result)
	case errors.Is(err, refused):
		return "Refused"
	case errors.As(err, &look):
		return "lookup"
	case errors.As(err, &code) && names[code] != "":
		return names[code]
	}
	return err.Error()
}

func main() {
	json.Unmarshal([]byte(os.Getenv("PROBE_TARGETS")), &targets)
	json.Unmarshal([]byte(os.Getenv("PROBE_CALLS")), &calls)
	network()
	processes()
	kernel()
	files()
	results := [][3]any{}
	for _, each := range probes {
		results = append(results, [3]any{each.name, outcome(each), each.refusals})
	}
	json.NewEncoder(os.Stdout).Encode(results)
}
