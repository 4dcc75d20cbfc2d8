# Gives the functions of examples/sh what may come from outside, at a socket.
set -eu

socket=$1
. "$LIBIMTAG/examples/sh/imtag.sh"

# try WHAT FUNCTION ARGUMENT: what it says, and "done" or whether it is worth trying again.
try() {
    what=$1
    shift
    ended=0
    said=$(printf '%s\n' "$rows" | "$@" 2>&1) || ended=$?
    case $ended in
    0) printf '%s: done\n' "$what" ;;
    1) printf '%s: %s, try again\n' "$what" "$said" ;;
    *) printf '%s: %s\n' "$what" "$said" ;;
    esac
}

rows='{"To_Account":"mine","Tags":["vip"]}'
victims='[{"To_Account":"victim","Tags":["owned"]}]'
request=$(printf 'x\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' ${#victims} "$victims")
end='x
'
long=$(printf '%255s' '' | tr ' ' '~')
try 'key of a request' post "$request"
try 'key of an end' post "$end"
try 'key of a blank' post 'x y'
try 'key of a letter' post 'ü'
try 'key of none' post ''
try 'key of 256' post "$long~"
try 'key of 255' post "$long"
try 'key of signs' post "!\"'@{}[]%25\\"
try 'id of a request' states "$(printf '1 HTTP/1.1\r\nHost: x\r\n\r\n.')"
try 'id of another path' states '../failures?limit=1'
try 'id of none' states ''

bytes=$(printf '\303')
rows="$rows
{\"To_Account\":\"half\",\"Tags\":[\"vip\",\"$bytes\"]}"
try 'rows' post 'rows'

rows='{"To_Account":"42","Tags":["vip","beijing"]}'
stored=$(printf '%s\n' "$rows" | post 'numbers')
id=$(printf '%s\n' "$stored" | jq --raw-output .post)
while sleep 0.02; do
    states=$(states "$id")
    [ "$(printf '%s\n' "$states" | jq .done)" = 0 ] || break
done
call im_get_tag '{"To_Account":["victim","42"]}' |
    jq --raw-output '.UserTags[] | "\(.To_Account): \(.Tags | join(" "))"'
