# The daemon `imtag serve` on this host, by curl and jq. A script sets `socket`, if it is not the daemon's own default, and
# then reads this file: `. ./imtag.sh`. `call` and `failed` are for tags at once, `post`, `states` and
# `ask` for changes that last.
socket=${socket:-${XDG_RUNTIME_DIR:-/run/imtag}/imtag.sock}

# request METHOD PATH [curl's options]: sets `status` and `answer`. Where there is none it ends with 1, and sets `status` to
# 60008, or to 403, which is not worth trying again; and `why`, `effect` and `remedy`.
request() {
    method=$1 path=$2
    shift 2
    ended=0
    answer=$(curl --silent --max-time 10 --noproxy '*' --unix-socket "$socket" --request "$method" \
        --write-out '\n%{http_code}' "$@" "http://localhost$path") || ended=$?
    status=${answer##*
}
    answer=${answer%
*}
    [ "$ended" != 0 ] || return 0
    status=60008 effect='not applied'
    if [ "$ended" != 7 ]; then
        why='the daemon did not answer' effect='possibly applied' remedy='try again'
    elif { [ -e "$socket" ] && ! [ -w "$socket" ]; } || { [ -d "${socket%/*}" ] && ! [ -x "${socket%/*}" ]; }; then
        why="this user may not use the socket $socket" status=403
        remedy='put it into the group of the socket (imtag serve --group), and start this program anew'
    else
        why="no daemon at $socket" remedy='see that it runs, and at this path'
    fi
    return 1
}

# call NAME BODY: the daemon's answer, which comes within 8 seconds, also with the statuses 502, 503 and 504. Where there is
# none, or a text that says why, one like the daemon's: 60008 passes, and other codes do not.
call() {
    if ! request POST "/v4/all_member_push/$1" --header 'Content-Type: application/json' --data-raw "$2"; then
        no_answer
    elif printf '%s\n' "$answer" | jq --exit-status 'type == "object" and has("ErrorCode")' >/dev/null 2>&1; then
        printf '%s\n' "$answer"
    else
        why=$answer effect='not applied' remedy='see the text'
        no_answer
    fi
}

no_answer() {
    jq --null-input --arg why "$why" --arg effect "$effect" --arg remedy "$remedy" --argjson code "$status" \
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

# post KEY: stores the rows at standard input, as `ask` does. The key is what this post is known by, an order's number, say:
# to post again with the same one is safe.
post() {
    case $1 in
    '' | *[!!-~]*) bad=1 ;; # what stands in a request's head could end it
    *) [ ${#1} -gt 255 ] && bad=1 || bad=0 ;;
    esac
    if [ "$bad" = 1 ]; then
        echo 'not stored: the key is not 1 to 255 letters, digits and signs of ASCII, without blanks' >&2
        return 2
    fi
    ask POST /v1/changes --header "Idempotency-Key: $1" --data-binary @-
}

# states ID: how many changes of a post are what, as `ask` does.
states() {
    case $1 in
    '' | *[!0-9-]*) echo 'not read: the id is none that post returns, such as 12' >&2 && return 2 ;;
    esac
    ask GET "/v1/changes/$1"
}

# ask METHOD PATH [curl's options]: the daemon's answer, or a sentence at standard error. The status is 1 where it is worth
# trying again, with the same key, and 2 where it is not. What comes from outside goes into a path's query by the options
# `--get --data-urlencode "account=$account"`.
ask() {
    if ! request "$@"; then
        [ "$effect" = 'not applied' ] || [ "$method" != POST ] || remedy="$remedy with the same key"
        say "$why: $remedy"
        [ "$status" = 403 ] && return 2 || return 1
    fi
    case $status in
    2*) printf '%s\n' "$answer" ;;
    429 | 503 | 504) problem && return 1 ;;
    *) problem && return 2 ;;
    esac
}

# problem: what the answer says.
problem() {
    say "$(printf '%s\n' "$answer" | jq --raw-output '(.error // tostring), (.errors // [] | .[] | "  row \(.row): \(.error)")' \
        2>/dev/null || printf '%s\n' "$answer")"
}

say() {
    [ "$method" = POST ] && what='not stored' || what='not read'
    printf '%s: %s\n' "$what" "$1" >&2
}
