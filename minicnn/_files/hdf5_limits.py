"""What the process that reads HDF5 files may use: processor time, memory and files.

Its script, ``hdf5_reader``, imports this file and nothing else of minicnn.
"""

import os
import signal
import sys
import time

if os.name == "posix":
    import resource

CPU_SECONDS = 1.0
BYTES_A_SECOND = 50e6
PART_SECONDS = 1.5e-4
"""Processor time for any file, how fast what it gives earns it more, and what each object that is
listed, each attribute and each piece or chunk that is read earns it. Waiting for a disk, or for
other programs, costs none."""

PART_BYTES = 128
"""The least that an object, an attribute or a chunk takes in a file. No more of them earn time."""

ALLOWED = 192 << 20
"""Bytes of memory that any file may take, besides four times its size and what is read at once."""

IDLE_SECONDS = 60
"""How long the process waits for another file before it ends."""


def end_with_parent() -> None:
    """On Linux: end at once, even if stopped, when whoever asks is no more, however it ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, ctypes.c_ulong(signal.SIGKILL))  # PR_SET_PDEATHSIG


class Limits:
    """What this process may use, as the system is told; systems without such limits set none."""

    def __init__(self) -> None:
        self.until = 0.0
        """The processor time at which a file has had its part; 0 before the first file."""
        self.parts = 0
        """How many objects, attributes and chunks may still earn time."""
        self.size = 0
        """Bytes of the file."""
        self.memory = 0
        """Bytes that this process may have, before anything is read."""
        if os.name == "posix":
            self.files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def of_file(self, size: int) -> None:
        """Allow time, memory and files for a file of that size."""
        self.until = time.process_time() + CPU_SECONDS
        self.parts = size // PART_BYTES
        self.size = size
        if os.name == "posix":
            resource.setrlimit(resource.RLIMIT_NOFILE, self.files)
        if sys.platform == "linux":
            try:
                with open("/proc/self/statm", encoding="ascii") as statm:
                    used = int(statm.read().split()[0]) * resource.getpagesize()
            except OSError:  # /proc is not there
                used = 1 << 30
            self.memory = used + ALLOWED + 4 * size
        self.allow(0)
        self.begin()

    def allow(self, space: int) -> None:
        """Allow so many more bytes of memory than to open the file; raises ``MemoryError``."""
        if sys.platform == "linux":
            wanted, (_, hard) = self.memory + space, resource.getrlimit(resource.RLIMIT_AS)
            if hard != resource.RLIM_INFINITY and hard < wanted:
                if space:
                    raise MemoryError
                wanted = hard
            resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))

    def no_more_files(self) -> None:
        """Allow no more files than are open."""
        if os.name == "posix":
            free = os.dup(0)  # the lowest number that no open file has
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, self.files[1]))

    def earn(self, parts: int, given: int = 0) -> None:
        """More time, for so many objects or chunks and bytes that come next."""
        if self.until:
            parts = min(parts, self.parts)
            self.parts -= parts
            self.until += parts * PART_SECONDS + given / BYTES_A_SECOND
            self.begin()

    def begin(self) -> None:
        """Let the system end this process if it computes too long."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, max(self.until - time.process_time(), 0.001))
            signal.alarm(0)

    def wait(self, idle: bool) -> None:
        """Let time pass until the next request, but not for long without a file."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(IDLE_SECONDS if idle else 0)
