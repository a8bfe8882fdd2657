# is_genuine SECRET NOW ID TIMESTAMP SIGNATURES BODY: Standard Webhooks, HMAC-SHA256 over id, time and
# body, no older than five minutes. To be sourced; needs openssl.
is_genuine() {
  local key age expected given
  [[ $4 =~ ^[0-9]+$ ]] || return 1
  age=$(($2 - $4))
  ((age >= -300 && age <= 300)) || return 1
  key=$(printf '%s' "${1#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  expected=$(printf '%s' "$3.$4.$6" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
  for given in $5; do
    [[ $given == "v1,$expected" ]] && return
  done
  return 1
}
