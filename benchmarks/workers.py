"""A process of its own for a framework with a number of threads.

``Worker`` starts one and talks to it in lines of JSON: a request each on its standard input,
an answer each on its standard output. In between it waits and leaves the machine to others.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from frameworks import FRAMEWORKS, THREAD_VARIABLES
from networks import BATCH, NETWORKS, pictures


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
        self.version = self.ask("tell version")

    def ask(self, do, **more):
        """Have one thing done and return the answer."""
        with contextlib.suppress(BrokenPipeError):  # its answer, or none, tells what happened
            self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip() or "its process ended"
            raise BenchmarkError(f"{self.title}: {said.splitlines()[-1]}")
        return json.loads(line)

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


class Kernel:
    """The same in a notebook: what it is asked is run in cells."""

    def __init__(self, key, threads):
        import nbformat
        from nbclient import NotebookClient

        self.title, self.cell = FRAMEWORKS[key].title, nbformat.v4.new_code_cell
        self.client = NotebookClient(
            nbformat.v4.new_notebook(), kernel_name="python3", timeout=None
        )
        self.kernel = contextlib.ExitStack()
        self.kernel.enter_context(
            self.client.setup_kernel(env=environment(key, threads), stderr=subprocess.DEVNULL)
        )
        self._run(f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})")
        self._run(f"import json, workers; server = workers.Server({key!r}, {threads})")
        self.version = self.ask("tell version")

    def ask(self, do, **more):
        """Have one thing done and return the answer."""
        request = {"do": do, **more}
        return json.loads(self._run(f"print(json.dumps(server.do({request!r})))"))

    def _run(self, source):
        """What a cell prints."""
        from nbclient.exceptions import CellExecutionError, DeadKernelError

        cell = self.cell(source)
        self.client.nb.cells = [cell]
        try:
            self.client.execute_cell(cell, 0)
        except CellExecutionError as error:
            raise BenchmarkError(f"{self.title}: {error.ename}: {error.evalue}") from error
        except DeadKernelError as error:
            raise BenchmarkError(f"{self.title}: its kernel ended") from error
        streams = [one for one in cell.outputs if one.output_type == "stream"]
        return "".join(one.text for one in streams if one.name == "stdout")

    def close(self):
        """Let the kernel end."""
        self.kernel.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def worker(key, threads):
    """A process for a framework with so many threads, of the kind that it asks for."""
    return (Kernel if FRAMEWORKS[key].in_notebook else Worker)(key, threads)


def environment(key, threads):
    """The variables for a process: the user's, but for those that would decide for it."""
    kept = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    # Everything is measured on the processor, also where there is something faster.
    only_here = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    wanted = kept | only_here | FRAMEWORKS[key].environment(threads)
    return {name: value for name, value in wanted.items() if value is not None}


def peak_memory():
    """The most memory, in bytes, that this process has had so far."""
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its peak begins with that of the process that started this one.
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Server:
    """A framework, and what it has been asked to build and load."""

    def __init__(self, key, threads):
        self.framework = FRAMEWORKS[key](threads)
        self.imported = peak_memory()

    def do(self, request):
        """The answer to a request."""
        match request:
            case {"do": "tell version"}:
                return self.framework.version
            case {"do": "build", "network": name, **more}:
                self.network = NETWORKS[name]
                if "side" in more:
                    self.network = self.network.of_size(more["side"])
                exact = not more.get("dropout", True)
                self.framework.build(self.network.without_dropout() if exact else self.network)
                return name
            case {"do": "load", "images": count, **more}:
                self.framework.batch = more.get("batch", BATCH)
                self.framework.load(*pictures(self.network, count))
                return count
            case {"do": "losses"}:
                return self.framework.losses()
            case {"do": "train", "epochs": epochs}:
                return timed(self.framework.train, epochs)
            case {"do": "predict"}:
                return timed(self.framework.predict)
            case {"do": "predict one", "images": count, "seconds": seconds}:
                times, end = [], time.perf_counter() + seconds
                while time.perf_counter() < end or len(times) < 5:
                    times.append(timed(self.framework.predict_one, len(times) % count))
                return statistics.median(times)
            case {"do": "memory"}:
                peak = peak_memory()
                return {"peak": peak, "above imports": peak - self.imported}


def timed(call, *arguments):
    """The seconds that a call takes."""
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def serve(key, threads):
    answers, sys.stdout = sys.stdout, sys.stderr  # what a framework prints is no answer
    server = Server(key, threads)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(server.do(request)), file=answers, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="What compare.py starts for each framework: it answers lines of JSON.",
        usage=argparse.SUPPRESS,
    )
    parser.add_argument("framework", choices=FRAMEWORKS, metavar="FRAMEWORK")
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    serve(options.framework, options.threads)
