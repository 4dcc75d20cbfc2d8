#!/bin/sh
# Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with curl and jq:
#
#     sh tag.sh imtag.sock
#
# To use it, copy imtag.sh.
set -eu

socket=${1:-}
. "$(dirname "$0")/imtag.sh"

# complain WHAT: names the first of those who failed.
complain() {
    jq --raw-output --arg what "$1" '
        (.[0] | "\($what): \(.To_Account): \(.ErrorInfo) (\(.Effect); \(.Remedy))")
        + if length > 1 then ", and \(length - 1) more" else "" end' >&2
}

status=0
body='{"UserTags":[{"To_Account":"xiaojun012","Tags":["vip","beijing"]},{"To_Account":"xiaojun013","Tags":["vip"]}]}'
for tries in 3 2 1; do
    failed=$(call im_add_tag "$body" | failed "$body")
    [ "$failed" != '[]' ] || break
    printf '%s\n' "$failed" | complain 'not added'
    # Trying again is safe, as the tags of a user are a set; but a change that another one has followed meanwhile would
    # undo that one.
    passing=$(printf '%s\n' "$failed" | jq --compact-output 'map(select(.Retryable) | .To_Account)')
    [ "$(printf '%s\n' "$failed" | jq length)" = "$(printf '%s\n' "$passing" | jq length)" ] && [ "$tries" != 1 ] || status=1
    [ "$passing" != '[]' ] || break
    body=$(printf '%s\n' "$body" | jq --compact-output --argjson passing "$passing" \
        '.UserTags |= map(select(.To_Account as $account | $passing | index($account)))')
    sleep 1
done

body='{"To_Account":["xiaojun012","xiaojun013"]}'
answer=$(call im_get_tag "$body")
failed=$(printf '%s\n' "$answer" | failed "$body")
[ "$failed" = '[]' ] || printf '%s\n' "$failed" | complain 'not read'
printf '%s\n' "$answer" | jq --raw-output '.UserTags // [] | .[] | "\(.To_Account): \(.Tags | join(" "))"'
exit "$status"
