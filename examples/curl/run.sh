#!/usr/bin/env bash
# Run a Worker from start to file: start, callback, poll, page, export.
#
#     FYKE_KEY=... FYKE_WORKER=owner/website-content-crawler ./run.sh results.csv
#
# Needs curl and jq; for callbacks also openssl and nc. See ../README.md for the variables.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/verify.sh"

url=${FYKE_URL:-http://127.0.0.1:8100}
worker=$FYKE_WORKER
input=${FYKE_INPUT:-"{}"}
secret=${FYKE_WEBHOOK_SECRET:-}
port=${FYKE_CALLBACK_PORT:-8099}
file=${1:-results.csv}
page_size=100

fail() { echo "$*" >&2; exit 1; }

# call PATH BODY: print "data"; wait and try again while the platform says "too many requests".
call() {
  local path=$1 body=$2 attempt answer headers code wait
  headers=$(mktemp)
  for attempt in 0 1 2 3 4 5; do
    answer=$(curl --silent --show-error --max-time 30 --dump-header "$headers" \
      --header "api-key: $FYKE_KEY" --header "Content-Type: application/json" \
      --data "$body" "$url$path")
    code=$(jq .code <<<"$answer")
    [[ $code == 4290 && $attempt -lt 5 ]] || break
    wait=$(sed -n 's/^retry-after: *\([0-9]*\).*/\1/ip' "$headers")
    sleep "${wait:-$((2 ** attempt))}"
  done
  rm -f "$headers"
  [[ $code == 0 ]] || fail "$path: $code $(jq -r .message <<<"$answer")"
  jq -c .data <<<"$answer"
}

# receive: take one callback; leave its body in "payload" when it is genuine, else nothing.
receive() {
  local LC_ALL=C line name value id="" stamp="" signatures="" length=0 body="" status
  local nc_in nc_out
  payload=""
  coproc nc { exec nc -l 127.0.0.1 "$port"; }
  nc_out=${nc[0]} nc_in=${nc[1]}
  read -r line <&"$nc_out" || return 1
  while read -r line <&"$nc_out" && line=${line%$'\r'} && [[ $line ]]; do
    name=${line%%:*} value=${line#*: }
    case ${name,,} in
      webhook-id) id=$value ;;
      webhook-timestamp) stamp=$value ;;
      webhook-signature) signatures=$value ;;
      content-length) length=$value ;;
    esac
  done
  read -r -N "$length" body <&"$nc_out" || true
  if is_genuine "$secret" "$(date +%s)" "$id" "$stamp" "$signatures" "$body"; then
    status="204 No Content"
    payload=$body
  else
    status="401 Unauthorized"
  fi
  printf 'HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n' "$status" >&"$nc_in"
  eval "exec $nc_in>&-"
}

# One callback after the other until the run is over; the same one may come twice.
receive_until_the_end() {
  local payload nc_PID=""
  trap '[[ -z $nc_PID ]] || kill "$nc_PID"; exit' TERM
  while true; do
    receive
    [[ $payload ]] || continue
    if (($(jq .status <<<"$payload") >= 3)); then
      jq -r .run_status <<<"$payload"
      return
    fi
  done
}

callback_url="" callbacks=""
if [[ $secret ]]; then
  callbacks=$(mktemp)
  receive_until_the_end >"$callbacks" &
  receiver=$!
  trap 'kill $receiver 2>/dev/null || true; rm -f "$callbacks"' EXIT
  callback_url=http://127.0.0.1:$port/callback
fi

run=$(call /api/v1/scraper/run "$(jq -n --arg worker "$worker" --arg callback "$callback_url" --argjson input "$input" \
  '{scraper_slug: $worker, is_async: true, callback_url: $callback, input: {parameters: {custom: $input}}}')" | jq -r .run_slug)
echo "started $run"

while true; do
  detail=$(call /api/v1/run/detail "{\"run_slug\":\"$run\"}")
  status=$(jq .status <<<"$detail")
  ((status >= 3)) && break
  sleep 1
done
((status == 3)) || fail "the run ended with status $status: $(jq -r .err_msg <<<"$detail")"
jq -r '"succeeded after \(.duration) s, \(.usage) USD"' <<<"$detail"

rows=0
for ((page = 1; ; page++)); do
  listed=$(call /api/v1/run/result/list \
    "{\"run_slug\":\"$run\",\"page_index\":$page,\"page_size\":$page_size}" | jq '.list | length')
  rows=$((rows + listed))
  ((listed == page_size)) || break
done
echo "read $rows rows"

link=$(call /api/v1/run/result/export "{\"run_slug\":\"$run\",\"format\":\"csv\"}" | jq -r .download_url)
curl --silent --show-error --fail --max-time 300 --output "$file" "$link"
echo "exported $file"

if [[ $secret ]]; then
  for _ in {1..30}; do
    [[ -s $callbacks ]] && break
    sleep 1
  done
  [[ -s $callbacks ]] || fail "no callback came"
  echo "callback says $(<"$callbacks")"
fi
