# script/up --nodes: an installation on a PostgreSQL of its own, and nodes, all on this machine. Sourced, not run.
#
# Below the data folder: postgres/ is the database, reached by a unix socket only; nodes/nN are the data folders of the
# nodes, each with a log. Root uses the service user for all of it but the launchers.

have_postgres() { postgres_bin >/dev/null; }

# postgres_bin: print the folder of the newest PostgreSQL server.
postgres_bin() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [[ -x $found ]] || found=$(command -v initdb) || return 1
  dirname "$(readlink -f "$found")"
}

as_service() {
  if [[ $EUID -eq 0 ]]; then
    setpriv --reuid fyke --regid fyke --clear-groups -- env HOME=/ "$@"
  else
    "$@"
  fi
}

# up_with_nodes NUMBER PREFIX ARGUMENTS OF "fyke up"...: run the tour on an installation with so many nodes.
up_with_nodes() {
  local number=$1 program=$2/.venv/bin/fyke home
  interpreter=$2/.venv/bin/python
  shift 2
  home=$(home_of "$@")
  prepare_home "$home"
  trap 'stop_all' EXIT
  start_postgres "$home"
  export FYKE_HOME=$home FYKE_RUNNER_POOL=${FYKE_RUNNER_POOL:-installation}
  say "The $number nodes log to $home/nodes/NAME/node.log. The machine of the installation takes no runs itself, unless they
name its pool \"$FYKE_RUNNER_POOL\"."
  rm -f "$home/server.json" # of a platform that was killed
  start_nodes "$number" "$program" "$home" &
  nodes_pid=$!
  local status=0
  "$program" up --tour --tour-nodes "$number" "$@" || status=$?
  return "$status"
}

# home_of ARGUMENTS...: the data folder, as an absolute path.
home_of() {
  local home=${FYKE_HOME:-}
  [[ $home ]] || if [[ $EUID -eq 0 ]]; then home=/var/lib/fyke; else home=$HOME/.fyke; fi
  while [[ $# -gt 0 ]]; do
    case $1 in
      --home) home=${2:-} ;;
      --home=*) home=${1#--home=} ;;
    esac
    shift
  done
  realpath -m -- "$home"
}

# prepare_home FOLDER: make the data folder, with PostgreSQL as its database if it has none.
prepare_home() {
  local home=$1
  if [[ -e $home/state.db ]]; then
    die "The installation in $home is on SQLite, and nodes need PostgreSQL. Choose another folder with --home, or see
docs/how-to/postgresql.md."
  fi
  if [[ $EUID -eq 0 ]]; then
    install -d -m 0711 -o fyke -g fyke "$home" "$home/nodes"
  else
    mkdir -p -m 0711 "$home" "$home/nodes"
  fi
  [[ ${FYKE_DATABASE_URL:-} ]] && return
  if [[ -e $home/config.toml ]]; then
    grep -q '^ *database_url *=' "$home/config.toml" ||
      die "Nodes need PostgreSQL, and $home/config.toml has no database_url."
    return
  fi
  local socket=$home/postgres/.s.PGSQL.5432
  [[ ${#socket} -le 100 ]] || die "The path of the data folder is too long for the socket of PostgreSQL: $home"
  # for later starts and other commands too
  printf 'database_url = "postgresql://fyke@/fyke?host=%s"\n' "$home/postgres" | as_service tee "$home/config.toml" >/dev/null
  as_service chmod 0600 "$home/config.toml"
  as_service mkdir -p -m 0700 "$home/postgres"
}

# start_postgres FOLDER: start the server of prepare_home, if it is the one that is used; sets "cluster".
start_postgres() {
  local home=$1 bin
  [[ -d $home/postgres && -z ${FYKE_DATABASE_URL:-} ]] || return 0
  bin=$(postgres_bin)
  cd "$home" # one that the service user can enter
  if [[ ! -e $home/postgres/data/PG_VERSION ]]; then
    # other users cannot enter the folder of the socket
    as_service "$bin/initdb" -D "$home/postgres/data" -U fyke -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
  fi
  pg_ctl=$bin/pg_ctl cluster=$home/postgres/data
  as_service "$pg_ctl" -s -w -t 60 -D "$cluster" -l "$home/postgres/log" \
    -o "-k $home/postgres -c listen_addresses= -c port=5432 -c unix_socket_permissions=0700" start ||
    die "PostgreSQL did not start; see $home/postgres/log"
  as_service "$bin/psql" -qAt -h "$home/postgres" -p 5432 -U fyke -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'fyke'" |
    grep -q 1 || as_service "$bin/createdb" -h "$home/postgres" -p 5432 -U fyke fyke
}

# start_nodes NUMBER PROGRAM FOLDER: start the nodes as soon as the platform answers; each joins first if it has not.
start_nodes() {
  local number=$1 program=$2 home=$3 node name token gateway pids=()
  trap '[[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null; wait; exit 0' TERM
  until [[ -s $home/server.json ]]; do sleep 0.2; done
  for ((node = 1; node <= number; node++)); do
    name=n$node
    until token=$("$program" node token --home "$home" --json 2>/dev/null); do sleep 0.5; done
    { read -r gateway; read -r token; } < <("$interpreter" -c \
      'import json, sys; found = json.loads(sys.argv[1]); print(found["gateway"]); print(found["token"])' "$token")
    [[ $EUID -ne 0 ]] || install -d -m 0711 -o fyke -g fyke "$home/nodes/$name"
    mkdir -p "$home/nodes/$name"
    until_joined "$program" "$home/nodes/$name" "$gateway" "$name" "$token" &
    pids+=($!)
  done
  wait
}

# until_joined PROGRAM FOLDER GATEWAY NAME TOKEN: become the node; the gateway may take some seconds to listen.
until_joined() {
  local program=$1 home=$2 gateway=$3 name=$4 status
  unset FYKE_RUNNER_POOL FYKE_DATABASE_URL FYKE_HOME
  export FYKE_NODE_TOKEN=$5
  while [[ ! -e $home/node.json ]]; do
    status=0
    "$program" node join "$gateway" --name "$name" --home "$home" >>"$home/node.log" 2>&1 || status=$?
    [[ $status -eq 0 || $status -eq 6 ]] || exit "$status"
    [[ $status -eq 0 ]] || sleep 0.5
  done
  exec "$program" node up --join "$gateway" --name "$name" --home "$home" >>"$home/node.log" 2>&1
}

# stop_all: the nodes, then PostgreSQL; "fyke up" has ended before.
stop_all() {
  trap '' INT TERM
  if [[ ${nodes_pid:-} ]]; then
    kill "$nodes_pid" 2>/dev/null || true
    wait "$nodes_pid" || true
  fi
  [[ -z ${cluster:-} ]] || as_service "$pg_ctl" -s -w -m fast -D "$cluster" stop || true
}
