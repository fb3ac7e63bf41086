"""Signs of life that ranks send each other, so that nobody waits for one that is gone.

A thread of each rank sends a byte to the next one every second. A process that was stopped or
killed, or whose machine cannot be reached, sends none; one that is only slow goes on sending.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

EVERY = 1.0
"""Seconds between two beats."""

LIMIT = 15.0
"""Seconds without a beat after which a rank is given up."""

SENDING = 1.0
"""Seconds in which the others are told of that."""

BEAT, END = 0, 1
"""The tags of a beat, and of the word that the run ends."""


class Heartbeat:
    """Beats to the next rank, and listens to the one before.

    ``silent(rank, seconds)`` is called when that one is not heard of any more, and ``end`` when
    another rank has said so.
    """

    def __init__(
        self, comm: Any, silent: Callable[[int, float], None], end: Callable[[], None]
    ) -> None:
        self.comm = comm
        self.silent = silent
        self.end = end
        self.over = threading.Event()
        self.thread: threading.Thread | None = None
        self.watching = False
        """Whether the others are known to beat."""

    def start(self) -> None:
        """Begin, where MPI allows calls by several threads."""
        from mpi4py import MPI

        if self.comm.Get_size() < 2 or MPI.Query_thread() < MPI.THREAD_MULTIPLE:
            return
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._beat, name="minicnn heartbeat", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End."""
        self.over.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()
        self.thread, self.watching = None, False

    def _beat(self) -> None:
        number, count = self.comm.Get_rank(), self.comm.Get_size()
        before, after = (number - 1) % count, (number + 1) % count
        beat, heard = np.zeros(1, np.uint8), np.zeros(1, np.uint8)
        coming, going = self.comm.Irecv(heard, before, BEAT), None
        waited = 0.0
        while not self.over.wait(EVERY):
            if going is None or going.Test():
                going = self.comm.Isend(beat, after, BEAT)
            # Counted, not measured: the time in which this process itself was stopped is no delay.
            waited += EVERY if self.watching else 0.0
            while coming.Test():
                waited = 0.0
                coming = self.comm.Irecv(heard, before, BEAT)
            if self.comm.Iprobe(tag=END):
                self.end()
            if waited > LIMIT:
                self._tell_all(beat)
                self.silent(before, waited)
        coming.Cancel()
        coming.Wait()

    def _tell_all(self, word: Any) -> None:
        """Let the others know, as far as they can be reached."""
        sending = [
            self.comm.Isend(word, number, END)
            for number in range(self.comm.Get_size())
            if number != self.comm.Get_rank()
        ]
        for _ in range(10):
            sending = [request for request in sending if not request.Test()]
            time.sleep(SENDING / 10)
