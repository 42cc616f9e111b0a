#!/usr/bin/env bash
# Prints how many compilers to run at once: one a processor, as long as each has about 1.5 GB of
# memory. JOBS in the environment decides instead.
set -euo pipefail

if [[ -n ${JOBS:-} ]]; then
  echo "$JOBS"
  exit
fi
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

at_most_memory() {  # in kB
  local room=$(($1 / 1500000))
  ((room >= jobs)) || jobs=$((room > 1 ? room : 1))
}
if [[ -r /proc/meminfo ]]; then
  at_most_memory "$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)"
fi
for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  if [[ -r $limit && $(<"$limit") =~ ^[0-9]{1,18}$ ]]; then
    at_most_memory $(($(<"$limit") / 1024))
  fi
done
echo "$jobs"
