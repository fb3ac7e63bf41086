"""A process of its own for a framework with a number of threads.

``Worker`` starts one and talks to it in lines of JSON: a request each on its standard input,
an answer each on its standard output. In between it waits and leaves the machine to others.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from frameworks import FRAMEWORKS, THREAD_VARIABLES
from networks import NETWORKS, pictures


class BenchmarkError(Exception):
    """Why the comparison cannot go on, in one line."""


class Worker:
    """A process that has imported a framework and does what it is asked."""

    def __init__(self, key, threads):
        self.title = FRAMEWORKS[key].title
        # A file, as nobody reads while the process works; the last line may be wanted.
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, __file__, key, str(threads)],
            env=environment(key, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the comparison, which then ends its workers
        )
        self.version = self._answer("version")

    def ask(self, do, **more):
        """Have one thing done and return the answer."""
        with contextlib.suppress(BrokenPipeError):  # its answer, or none, tells what happened
            self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self.process.stdin.flush()
        return self._answer(do)

    def _answer(self, what):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip() or "its process ended"
            raise BenchmarkError(f"{self.title}: {said.splitlines()[-1]}")
        return json.loads(line)[what]

    def close(self):
        """Let the process end, and wait until it has."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.process.kill()
        self.close()


def environment(key, threads):
    """The variables for a process: the user's, but for those that would decide for it."""
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    # Everything is measured on the processor, also where there is something faster.
    only_here = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    wanted = kept | only_here | FRAMEWORKS[key].environment(threads)
    return {name: value for name, value in wanted.items() if value is not None}


def peak_memory(helpers):
    """The most memory, in bytes, that this process and so many helpers of it have had so far.

    A helper's is taken for that of the largest, and what it shares with this process counts again.
    """
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit * helpers
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its peak begins with that of the process that started this one.
        lines = status.read_text(encoding="utf-8").splitlines()
        own = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
        return own + others
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit + others


def serve(key, threads):
    answers, sys.stdout = sys.stdout, sys.stderr  # what a framework prints is no answer

    def answer(**what):
        print(json.dumps(what), file=answers, flush=True)

    framework = FRAMEWORKS[key](threads)
    imported = peak_memory(threads - 1)
    answer(version=framework.version)
    for line in sys.stdin:
        match json.loads(line):
            case {"do": "build", "network": name}:
                network = NETWORKS[name]
                framework.build(network)
                answer(build=name)
            case {"do": "load", "images": count}:
                framework.load(*pictures(network, count))
                answer(load=count)
            case {"do": "loss"}:
                answer(loss=framework.loss())
            case {"do": "train", "epochs": epochs}:
                started = time.perf_counter()
                framework.train(epochs)
                answer(train=time.perf_counter() - started)
            case {"do": "predict"}:
                started = time.perf_counter()
                framework.predict()
                answer(predict=time.perf_counter() - started)
            case {"do": "memory"}:
                peak = peak_memory(threads - 1)
                answer(memory={"peak": peak, "above imports": peak - imported})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="What compare.py starts for each framework: it answers lines of JSON.",
        usage=argparse.SUPPRESS,
    )
    parser.add_argument("framework", choices=FRAMEWORKS, metavar="FRAMEWORK")
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    serve(options.framework, options.threads)
