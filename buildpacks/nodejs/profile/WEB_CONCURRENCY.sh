# How many processes of WEB_MEMORY megabytes fit into this dyno.
flowline_memory_mb() {
  local file bytes
  for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do
    [[ -r "$file" ]] || continue
    bytes=$(<"$file")
    # No number, or more than a terabyte: there is no limit.
    [[ "$bytes" =~ ^[0-9]{1,12}$ ]] && { echo $((bytes / 1048576)); return; }
  done
  echo 512
}
export MEMORY_AVAILABLE="${MEMORY_AVAILABLE:-$(flowline_memory_mb)}"
export WEB_MEMORY="${WEB_MEMORY:-512}"
if [[ -z "$WEB_CONCURRENCY" ]]; then
  WEB_CONCURRENCY=$((MEMORY_AVAILABLE / WEB_MEMORY))
  [[ "$WEB_CONCURRENCY" -lt 1 ]] && WEB_CONCURRENCY=1
  export WEB_CONCURRENCY
fi
unset -f flowline_memory_mb
