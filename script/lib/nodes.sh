# script/up --nodes: an installation on a PostgreSQL of its own, and nodes, all on this machine. Sourced, not run.
#
# Below the data folder: postgres/ is the database, reached by a unix socket only; nodes/nN are the data folders of the
# nodes, each with a log. Root makes the data folder as "fyke up" does, and does nothing below it itself, where the
# service user could have made links.

have_postgres() { postgres_bin >/dev/null; }

# postgres_bin: print the folder of the newest PostgreSQL server.
postgres_bin() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [[ -x $found ]] || found=$(command -v initdb) || return 1
  dirname "$(readlink -f "$found")"
}

# make_no_cluster [FOLDER]: keep Debian's package from making and starting a cluster of its own on port 5432. The folder
# is that of the configuration, /etc.
make_no_cluster() {
  local etc=${1:-/etc} file sudo=()
  file=$etc/postgresql-common/createcluster.d/fyke.conf
  command -v apt-get >/dev/null && find_sudo || return 0 # install_packages says what is missing
  ! compgen -G "$etc/postgresql/*/*/postgresql.conf" >/dev/null && [[ ! -e $file ]] || return 0
  "${sudo[@]}" mkdir -p "${file%/*}"
  "${sudo[@]}" tee "$file" >/dev/null <<<"# written by script/up --nodes of Fyke, which runs a server of its own
create_main_cluster = false"
}

# as_service COMMAND...: run it as the user who works in the data folder, see enter_home.
as_service() {
  if [[ $EUID -eq 0 ]]; then
    setpriv --reuid "$service_uid" --regid "$service_gid" --clear-groups -- env -C / HOME=/ "$@"
  else
    "$@"
  fi
}

# up_with_nodes NUMBER PREFIX ARGUMENTS OF "fyke up"...: run the tour on an installation with so many nodes.
up_with_nodes() {
  local number=$1 program=$2/.venv/bin/fyke status
  interpreter=$2/.venv/bin/python
  shift 2
  "$program" up --check --tour --tour-nodes "$number" "$@" || exit # before anything is made
  enter_home "$program" "$@"
  ended_by='' running='' up_pid='' nodes_pid='' cluster=''
  trap 'on_signal HUP' HUP
  trap 'on_signal INT' INT
  trap 'on_signal TERM' TERM
  trap 'stop_all' EXIT
  as_service mkdir -p -m 0711 "$home/nodes"
  start_postgres
  export FYKE_HOME=$home FYKE_RUNNER_POOL=${FYKE_RUNNER_POOL:-installation}
  say "The $number nodes log to $home/nodes/NAME/node.log. The machine of the installation takes no runs itself, unless they
name its pool \"$FYKE_RUNNER_POOL\"."
  running=yes
  start_nodes "$number" "$program" &
  nodes_pid=$!
  # In a session of its own: else Ctrl-C would reach it twice, and the second signal ends runs at once. The last --home
  # counts, and this one does not depend on the working folder.
  setsid "$program" up --tour --tour-nodes "$number" "$@" --home "$home" &
  up_pid=$!
  [[ -z $ended_by ]] || on_signal "$ended_by"
  while :; do # a signal ends "wait", but not what it waits for
    ended_by='' status=0
    wait "$up_pid" || status=$?
    [[ $ended_by ]] || return "$status"
  done
}

# on_signal NAME: end "fyke up" and the nodes; without them, end the script.
on_signal() {
  ended_by=$1
  [[ $running ]] || exit $((128 + $(kill -l "$1")))
  [[ -z $nodes_pid ]] || kill "$nodes_pid" 2>/dev/null || true
  [[ -z $up_pid ]] || kill "$up_pid" 2>/dev/null || true
}

# home_option ARGUMENTS...: set "home_option" to the last --home among them.
home_option() {
  home_option=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      --home) home_option=(--home "${2:-}") ;;
      --home=*) home_option=("$1") ;;
    esac
    shift
  done
}

# enter_home PROGRAM ARGUMENTS...: make the data folder, or end with the reason why it cannot be that; lock it. Sets "home",
# an absolute path, "service_uid", "service_gid", and "database_url" of the server to run there, or "".
enter_home() {
  local program=$1 found
  shift
  home_option "$@"
  found=$("$program" nodes-home "${home_option[@]}") || exit
  { read -r service_uid; read -r service_gid; read -r database_url; IFS= read -r home; } <<<"$found"
  # All that is started below keeps the lock but PostgreSQL, so what a killed script has left is not started twice.
  exec 8<"$home"
  flock -n 8 || die "Another script/up --nodes runs in $home. Stop it first, or choose another data folder with --home."
}

# start_postgres: start the server of the data folder, if it is the one that is used; sets "cluster".
start_postgres() {
  local bin folder=$home/postgres
  [[ $database_url ]] || return 0
  bin=$(postgres_bin)
  # for later starts and other commands too
  as_service sh -c 'umask 077; [ -e "$2" ] || printf "database_url = \"%s\"\n" "$1" >"$2"' sh "$database_url" "$home/config.toml"
  as_service mkdir -p -m 0700 "$folder" # other users cannot enter the folder of the socket
  if ! as_service test -e "$folder/data/PG_VERSION"; then
    as_service "$bin/initdb" -D "$folder/data" -U fyke -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
  fi
  pg_ctl=$bin/pg_ctl cluster=$folder/data # from here on "stop_all" stops it, also if a signal ends the start
  # one that runs is of a script that was killed
  postgres_runs ||
    as_service "$pg_ctl" -s -w -t 60 -D "$cluster" -l "$folder/log" \
      -o "-k ${folder@Q} -c listen_addresses= -c port=5432 -c unix_socket_permissions=0700" start 8<&- ||
    die "PostgreSQL did not start; see $folder/log"
  as_service "$bin/psql" -qAt -h "$folder" -p 5432 -U fyke -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'fyke'" |
    grep -q 1 || as_service "$bin/createdb" -h "$folder" -p 5432 -U fyke fyke
}

postgres_runs() { as_service "$pg_ctl" -s -D "$cluster" status >/dev/null; }

# start_nodes NUMBER PROGRAM: start the nodes as soon as the platform answers; each joins first if it has not.
start_nodes() {
  local number=$1 program=$2 node name known made gateway token pids=()
  trap - EXIT HUP
  trap '' INT # "on_signal" passes it on
  trap '[[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null; wait; exit 0' TERM
  until [[ -s $home/server.json ]]; do sleep 0.2; done
  # server.json may be that of a platform that was killed
  until known=$("$program" node list --home "$home" --json 2>/dev/null); do sleep 0.5; done
  known=$(printf '%s' "$known" | "$interpreter" -c 'import json, sys; print(*(one["name"] for one in json.load(sys.stdin)))')
  for ((node = 1; node <= number; node++)); do
    name=n$node gateway='' token=''
    as_service mkdir -p -m 0711 "$home/nodes/$name"
    if [[ " $known " != *" $name "* ]] || ! has_joined "$home/nodes/$name"; then
      until made=$("$program" node token --names "$name" --home "$home" --json 2>/dev/null); do sleep 0.5; done
      # not on a command line, which other users can read
      { read -r gateway; read -r token; } < <(printf '%s' "$made" | "$interpreter" -c \
        'import json, sys; found = json.load(sys.stdin); print(found["gateway"]); print(found["token"])')
    fi
    watch_node "$program" "$home/nodes/$name" "$name" "$gateway" "$token" &
    pids+=($!)
  done
  wait
}

# has_joined FOLDER: whether the node has a certificate that is still valid, or was renewed within the last 20 hours.
has_joined() { [[ $(as_service find "$1/node.json" -mmin -1200 2>/dev/null) ]]; }

# watch_node PROGRAM FOLDER NAME GATEWAY TOKEN: run the node, and say when it has ended and how it is started again.
watch_node() {
  local folder=$2 name=$3 pid='' stopped='' status how
  trap 'stopped=yes; [[ -z $pid ]] || kill "$pid" 2>/dev/null || true' TERM
  run_node "$@" > >(append_to "$folder/node.log") 2>&1 &
  pid=$!
  [[ -z $stopped ]] || kill "$pid" 2>/dev/null || true
  while :; do # a signal ends "wait", but not what it waits for
    status=0
    { wait "$pid" || status=$?; } 2>/dev/null # without the notice of bash about a killed process
    kill -0 "$pid" 2>/dev/null || break
  done
  [[ -z $stopped ]] || return 0
  how="with status $status"
  [[ $status -le 128 ]] || how="by the signal $(kill -l $((status - 128)))"
  say "The node $name has ended $how; its log is $folder/node.log. Start it again with
  script/fyke node up --home ${folder@Q}
It is then a process of its own: end it yourself, before script/up ends."
}

# append_to FILE: append standard input to the file, as the user who may write it.
append_to() { as_service sh -c 'umask 077; exec cat >>"$1"' sh "$1"; }

# run_node PROGRAM FOLDER NAME GATEWAY TOKEN: become the node; without a token it has joined. The gateway may take some
# seconds to listen.
run_node() {
  local program=$1 home=$2 name=$3 gateway=$4 status
  unset FYKE_RUNNER_POOL FYKE_DATABASE_URL FYKE_HOME
  [[ $5 ]] || exec setsid "$program" node up --home "$home"
  export FYKE_NODE_TOKEN=$5
  while [[ ! -e $home/node.json ]]; do
    status=0
    "$program" node join "$gateway" --name "$name" --home "$home" || status=$?
    [[ $status -eq 0 || $status -eq 6 ]] || exit "$status"
    [[ $status -eq 0 ]] || sleep 0.5
  done
  exec setsid "$program" node up --join "$gateway" --name "$name" --home "$home"
}

# stop_all: the nodes, then PostgreSQL; "fyke up" has ended before. The data folder is locked, so both are of this script.
stop_all() {
  trap '' HUP INT TERM
  if [[ $nodes_pid ]]; then
    kill "$nodes_pid" 2>/dev/null || true
    wait "$nodes_pid" || true
  fi
  if [[ $cluster ]] && postgres_runs; then
    as_service "$pg_ctl" -s -w -m fast -D "$cluster" stop || true
  fi
}
