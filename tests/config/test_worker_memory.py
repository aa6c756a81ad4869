"""The threads of a worker's jobs share few pools of the C library's memory."""

import re
import subprocess
import sys

from config.worker import MEMORY_POOLS

# As many threads as jobs allocate at the same moment. Then the C library describes its pools.
COUNT_POOLS = """
import ctypes, gc, sys, threading
import django
django.setup()
from config import worker
if sys.argv[1] == "shared":
    worker._keep_memory_flat()
all_there = threading.Barrier(worker.JOB_THREADS)
def allocate():
    all_there.wait()
    kept = [bytearray(700) for _ in range(5000)]
    all_there.wait()
threads = [threading.Thread(target=allocate) for _ in range(worker.JOB_THREADS)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, out)
libc.fclose(out)
print("frozen", gc.get_freeze_count())
"""


def count_pools(how: str) -> tuple[int, int]:
    """Returns how many pools a process has, and how many objects are out of garbage collection."""
    output = subprocess.run(
        [sys.executable, "-c", COUNT_POOLS, how], capture_output=True, text=True, check=True
    ).stdout
    frozen = re.search(r"frozen (\d+)", output)
    assert frozen
    return output.count("<heap nr="), int(frozen[1])


def test_threads_of_jobs_share_their_pools() -> None:
    own, _ = count_pools("own")
    shared, frozen = count_pools("shared")
    assert own > MEMORY_POOLS >= shared
    assert frozen > 10_000
