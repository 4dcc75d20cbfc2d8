#!/bin/sh
# Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with curl and jq:
#
#     sh later.sh imtag.sock
#
# A web request ends once its changes are stored; what became of them is another program's, such as a cron job's: both are
# here, one after the other. `ask` is what other scripts need.
set -eu

socket=${1:-/run/imtag/imtag.sock}

# ask METHOD PATH [curl's options]: the daemon's answer, or a sentence at standard error. The status is 1 where it is worth
# trying again, with the same key, and 2 where it is not.
ask() {
    method=$1 path=$2
    shift 2
    if ! answer=$(curl --silent --max-time 10 --noproxy '*' --unix-socket "$socket" --request "$method" \
        --write-out '\n%{http_code}' "$@" "http://localhost$path"); then
        echo "no answer of a daemon at $socket: see that it runs" >&2
        return 1
    fi
    status=${answer##*
}
    answer=${answer%
*}
    case $status in
    2*) printf '%s\n' "$answer" ;;
    429 | 503 | 504) problem && return 1 ;;
    *) problem && return 2 ;;
    esac
}

# problem: what the answer says.
problem() {
    said=$(printf '%s\n' "$answer" | jq --raw-output '.error, (.errors // [] | .[] | "  row \(.row): \(.error)")' \
        2>/dev/null) || said=$answer
    [ "$method" != POST ] || said="not stored: $said"
    printf '%s\n' "$said" >&2
}

# the web request
rows='{"To_Account":"xiaojun012","Tags":["vip","beijing"]}
{"To_Account":"xiaojun013","Tags":["vip"]}'
key=order-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n') # what the order has by itself, such as its number
for tries in 3 2 1; do
    ended=0
    stored=$(ask POST /v1/changes --header "Idempotency-Key: $key" --data-binary "$rows") || ended=$?
    [ "$ended" != 0 ] || break
    [ "$ended" = 1 ] && [ "$tries" != 1 ] || exit 1
    sleep 1
done
echo stored

# the cron job
post=$(echo "$stored" | jq --raw-output .post)
while sleep 0.1; do
    waiting=$(ask GET "/v1/changes/$post" | jq '.queued + .sending')
    [ "$waiting" != 0 ] || break
done
failures=$(ask GET /v1/failures)
[ -n "$failures" ] || exit 0
echo "$failures" | jq --raw-output '"failed: \(.account): \(.reason) (\(.effect); \(.remedy))"'
ask DELETE /v1/failures --data-binary "$failures" >/dev/null
