# The check on the running server: the first page and every page that it links to answer, over the router, as visitors ask.
host=${FLOWLINE_VERIFY_URL#http://}
host=${host%%/*}
port=80
[[ "$host" == *:* ]] && port=${host##*:}

ask() {
  exec 3<>"/dev/tcp/${host%%:*}/$port" || exit 1
  printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$host" >&3
  cat <&3
  exec 3>&-
}

page=$(ask /)
links=$(grep -o 'href="[^"]*"' <<<"$page" | cut -d'"' -f2)
for path in / $links; do
  status=$(ask "$path" | head -n 1 | cut -d' ' -f2)
  echo "$path answers $status"
  [[ "$status" == 200 ]] || exit 1
done
