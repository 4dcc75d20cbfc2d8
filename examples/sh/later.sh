#!/bin/sh
# Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with curl and jq:
#
#     sh later.sh imtag.sock
#
# To use it, copy imtag.sh. A web request ends once its changes are stored; what became of them is another program's, such
# as a cron job's: both are here, one after the other.
set -eu

socket=${1:-}
. "$(dirname "$0")/imtag.sh"

# the web request
rows='{"To_Account":"xiaojun012","Tags":["vip","beijing"]}
{"To_Account":"xiaojun013","Tags":["vip"]}'
key=order-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n') # what the order has by itself, such as its number
for tries in 3 2 1; do
    ended=0
    stored=$(printf '%s\n' "$rows" | post "$key") || ended=$?
    [ "$ended" != 0 ] || break
    [ "$ended" = 1 ] && [ "$tries" != 1 ] || exit 1
    sleep 1
done
echo stored

# the cron job
post=$(printf '%s\n' "$stored" | jq --raw-output .post)
waiting=1
while [ "$waiting" -gt 0 ]; do
    sleep 0.1
    states=$(states "$post") || exit 1
    waiting=$(printf '%s\n' "$states" | jq '.queued + .sending')
done
failures=$(ask GET /v1/failures) || exit 1
[ -n "$failures" ] || exit 0
printf '%s\n' "$failures" | jq --raw-output '"failed: \(.account): \(.reason) (\(.effect); \(.remedy))"'
printf '%s\n' "$failures" | ask DELETE /v1/failures --data-binary @- >/dev/null || exit 1
