"""Pictures of folders that processes apart read: the same bits, and no harm by what crashes."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from minicnn import set_threads
from minicnn._parallel import apart
from minicnn.preprocessing import picture_apart, picture_stream
from minicnn.preprocessing.picture_apart import Runs
from minicnn.utils import image_dataset_from_directory

SCRIPT = """
import sys
print("begun")
from minicnn import set_threads
from minicnn.preprocessing import picture_apart
from minicnn.utils import image_dataset_from_directory
picture_apart.WORTH = 0
set_threads(3)
made = []
start = picture_apart.Runs._start
picture_apart.Runs._start = lambda self: made.append(start(self)) or made[-1]
data = image_dataset_from_directory(sys.argv[1], image_size=(6, 5), verbose=False)
print(sum(len(x) for x, y in data), [one.process.poll() for one in made])
for x, y in data:
    break
"""


@pytest.fixture
def folder(tmp_path):
    """Forty small files of two classes, half of them PNG of the size that is asked for."""
    rng = np.random.default_rng(0)
    for i in range(40):
        inside = tmp_path / "pictures" / "ab"[i % 2]
        inside.mkdir(parents=True, exist_ok=True)
        shape, ending = ((6, 5, 3), "png") if i < 20 else ((9, 12, 3), "jpg")
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(inside / f"{i:02}.{ending}")
    return tmp_path / "pictures"


@pytest.fixture
def started(monkeypatch):
    """Two processes for any number of pictures, of which nothing is kept; what was started."""
    started, start = [], Runs._start
    monkeypatch.setattr(Runs, "_start", lambda self: started.append(start(self)) or started[-1])
    monkeypatch.setattr(picture_apart, "WORTH", 0)
    monkeypatch.setattr(picture_stream._room, "left", 0)
    set_threads(3)
    yield started
    set_threads(None)
    assert all(one.process.poll() is not None for one in started)


def elsewhere(self, paths, images):
    """Have all of it read by processes, also before they have begun."""
    return self._ask(self._free.get(timeout=60), paths, images)


def passed(folder, **arguments):
    """The batches of a pass, and what is broken."""
    arguments = {"image_size": (6, 5), "batch_size": 9, "seed": 1, "verbose": False} | arguments
    data = image_dataset_from_directory(folder, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(data), data.broken


@pytest.mark.parametrize(
    "arguments",
    [{}, {"data_format": "channels_first", "color_mode": "grayscale", "interpolation": "nearest"}],
)
def test_the_same_from_anywhere(arguments, folder, started, monkeypatch):
    """Pixels, labels, order, and what is said of broken files, also of odd names."""
    (folder / "a" / "00.png").write_bytes(b"hello")
    (folder / "b" / "21.jpg").rename(folder / "b" / os.fsdecode(b"\xff 21.jpg"))
    monkeypatch.setattr(picture_apart, "WORTH", 1000)
    wanted, broken = passed(folder, **arguments)
    assert not started
    monkeypatch.setattr(picture_apart, "WORTH", 0)
    monkeypatch.setattr(Runs, "read", elsewhere)
    found, also_broken = passed(folder, **arguments)
    assert len(started) == 2
    assert also_broken == broken
    assert len(broken) == 1
    for (x, y), (images, labels) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, labels)


def test_threads_read_until_processes_have_begun(folder, started):
    """Nobody waits for the start of one, and what both read is a whole pass."""
    found, broken = passed(folder)
    assert sum(len(x) for x, _ in found) == 40
    assert not broken


def test_pictures_that_end_or_hold_a_process(folder, started, monkeypatch, tmp_path):
    """They are broken, and no other one is."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if sys.orig_argv[-1].endswith('picture_apart'):\n"
        "    opened = os.open\n"
        "    def watched(path, *arguments, **options):\n"
        "        if str(path).endswith('07.png'):\n"
        "            os.abort()\n"
        "        if str(path).endswith('30.jpg'):\n"
        "            os.kill(os.getpid(), signal.SIGSTOP)\n"
        "        return opened(path, *arguments, **options)\n"
        "    os.open = watched\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(Runs, "read", elsewhere)
    data = image_dataset_from_directory(folder, image_size=(6, 5), verbose=False)
    with pytest.warns(UserWarning, match="left out 2 of 40"):
        assert sum(len(x) for x, _ in data) == 38
    assert {os.path.basename(path) for path in data.broken} == {"07.png", "30.jpg"}
    assert set(data.broken.values()) == {"the decoder crashes on it, or does not end."}


def test_a_process_that_says_nothing(tmp_path, monkeypatch):
    """It is given up after a while."""
    (tmp_path / "silent.py").write_text("def serve(requests, answers): requests.read()")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(apart, "PATIENCE", 0.25)
    process = apart.Apart("silent")
    try:
        with pytest.raises(OSError, match="it does not answer"):
            process.ask({})
    finally:
        process.end()


def test_a_pass_that_is_dropped_leaves_nobody(folder, started):
    """Its processes end with it; the fixture sees to that."""
    data = image_dataset_from_directory(folder, image_size=(6, 5), batch_size=2, verbose=False)
    batches = iter(data)
    next(batches)
    assert len(started) == 2
    assert any(one.process.poll() is None for one in started)
    del batches


def test_a_script_without_a_guard(folder, tmp_path):
    """Its lines run once, and its processes end before it."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "script.py", folder]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[0] == "begun"
    assert said.stdout.splitlines()[1:] == ["40 [-9, -9]"]
    assert not said.stderr
