"""The order in which `merganser train` takes a task's rows (docs/training.md), written down a second
time: Philox4x32-10 by counter, key and the round constants of its paper."""

import xxhash

MASK = 0xFFFFFFFF


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & MASK, (p0 >> 32) ^ c[3] ^ k1, p0 & MASK]
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c


def rows(task, count, seed=0):
    """Endless: a shuffle of range(count), then the next."""
    stream = xxhash.xxh3_64_intdigest(f"rows of {task}".encode())
    key = (seed & MASK, seed >> 32)
    epoch = 0
    while True:
        drawn = []
        for row in range(count):
            words = philox((row, epoch, stream & MASK, stream >> 32), key)
            drawn.append((words[0] << 32 | words[1], row))
        yield from (row for _, row in sorted(drawn))
        epoch += 1


def batches(task, count, size, seed=0):
    order = rows(task, count, seed)
    while True:
        yield [next(order) for _ in range(size)]
