#!/bin/sh
# Run it beside a daemon (`imtag serve --demo --socket imtag.sock`), with curl and jq:
#
#     sh tag.sh imtag.sock
#
# `call` and `failed` are what other scripts need.
set -eu

socket=${1:-${XDG_RUNTIME_DIR:-/run/imtag}/imtag.sock}

# call NAME BODY: the daemon's answer, which comes within 8 seconds, also with the statuses 502, 503 and 504.
call() {
    if answer=$(curl --silent --max-time 10 --noproxy '*' --unix-socket "$socket" \
        --header 'Content-Type: application/json' --data "$2" "http://localhost/v4/all_member_push/$1"); then
        printf '%s\n' "$answer"
    elif [ $? != 7 ]; then
        no_answer 'the daemon did not answer' 'possibly applied' 'try again'
    elif [ -e "$socket" ] && ! [ -w "$socket" ]; then
        no_answer "this user may not use the socket $socket" 'not applied' \
            'put it into the group of the socket (imtag serve --group), and start this program anew' 403
    else
        no_answer "no daemon at $socket" 'not applied' 'see that it runs, and at this path'
    fi
}

# no_answer WHY EFFECT REMEDY [CODE]: an answer like the daemon's, where there is none. 60008 passes, and 403 does not.
no_answer() {
    jq --null-input --arg why "$1" --arg effect "$2" --arg remedy "$3" --argjson code "${4:-60008}" \
        '{ErrorCode: $code, ErrorInfo: $why, Effect: $effect, Remedy: $remedy, Retryable: ($code == 60008)}'
}

# failed BODY: who failed, by the answer at standard input. Whatever ErrorCode is, the users that ErrorList does not name are
# done; without an ErrorList a code is about all users of the body.
failed() {
    jq --compact-output --argjson body "$1" '
        . as $answer
        | if (.ErrorList // []) != [] then .ErrorList
          elif .ErrorCode == 0 then []
          else $body | [(.UserTags // [] | .[].To_Account), (.To_Account // [] | .[])] | map($answer + {To_Account: .})
          end'
}

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
    echo "$failed" | complain 'not added'
    # Trying again is safe, as the tags of a user are a set; but a change that another one has followed meanwhile would
    # undo that one.
    passing=$(echo "$failed" | jq --compact-output 'map(select(.Retryable) | .To_Account)')
    [ "$(echo "$failed" | jq length)" = "$(echo "$passing" | jq length)" ] && [ "$tries" != 1 ] || status=1
    [ "$passing" != '[]' ] || break
    body=$(echo "$body" | jq --compact-output --argjson passing "$passing" \
        '.UserTags |= map(select(.To_Account as $account | $passing | index($account)))')
    sleep 1
done

body='{"To_Account":["xiaojun012","xiaojun013"]}'
answer=$(call im_get_tag "$body")
failed=$(echo "$answer" | failed "$body")
[ "$failed" = '[]' ] || echo "$failed" | complain 'not read'
echo "$answer" | jq --raw-output '.UserTags // [] | .[] | "\(.To_Account): \(.Tags | join(" "))"'
exit "$status"
