"""Runs a command and prints one line of JSON: its exit status, seconds and peak
memory in bytes.

    python -S measure.py COMMAND ARGUMENT...

It is a process of its own for the memory's sake. Linux counts the memory that a
child had before exec, that is, its parent's, towards the child's ru_maxrss;
started straight from the demo, merganser would be charged with torch's.

ru_maxrss is the peak of resident memory. It includes the pages of mapped input
files that happen to be in memory, so it is an upper bound on what a merge needs.
"""

import json
import os
import sys
import time

started = time.perf_counter()
child = os.fork()
if child == 0:
    os.dup2(2, 1)  # keep this program's own line apart from the command's output
    try:
        os.execv(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        os._exit(127)
_, status, usage = os.wait4(child, 0)
print(json.dumps({
    "status": os.waitstatus_to_exitcode(status),
    "seconds": time.perf_counter() - started,
    "peak_bytes": usage.ru_maxrss * 1024,
}))
