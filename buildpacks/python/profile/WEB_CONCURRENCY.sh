# Worker processes for this dyno's memory: two in 512 MB, more in larger ones.
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
export DYNO_RAM="${DYNO_RAM:-$(flowline_memory_mb)}"
if [[ -z "$WEB_CONCURRENCY" ]]; then
  WEB_CONCURRENCY=$((DYNO_RAM / 256))
  [[ "$WEB_CONCURRENCY" -lt 2 ]] && WEB_CONCURRENCY=2
  export WEB_CONCURRENCY
fi
unset -f flowline_memory_mb
