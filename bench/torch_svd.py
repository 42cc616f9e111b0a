"""torch.linalg.svd of a random f32 matrix, timed in a process of its own. A library that decomposes
matrices whole spends its time there (LAPACK's gesdd)."""

import measure

CODE = """
import sys, time, torch
rows, cols = map(int, sys.argv[1:])
a = torch.randn(rows, cols)
begin = time.perf_counter()
torch.linalg.svd(a, full_matrices=False)
print(time.perf_counter() - begin)
"""


def seconds(python, rows, cols, environment, log):
    """In its reduced form, once. Raises RuntimeError."""
    done = measure.run([python, "-c", CODE, rows, cols], environment, log=log)
    if done.error:
        raise RuntimeError(f"torch.linalg.svd of {rows} x {cols}: {done.error}")
    return float(log.read_text().split()[-1])
