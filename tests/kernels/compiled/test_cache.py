"""Where compiled libraries are kept: built once, never trusted blindly, never in the way."""

import os
import signal
import time

import pytest

from compiler_helpers import begin, compiler, end, links, look, posix

pytestmark = posix

ONCE = "minicnn: compiling its float32 kernels for this machine, once..."


@pytest.fixture
def bin_(tmp_path):
    """A folder with one compiler."""
    compiler(tmp_path / "bin")
    return tmp_path / "bin"


def test_a_library_is_built_once_and_kept_for_its_user(tmp_path, bin_):
    """The first process builds and says so; the second takes what is there, in silence."""
    kernels, path, total, said = look(tmp_path, bin_)
    assert (kernels, path.parent, said) == ("compiled", tmp_path / "cache/minicnn/kernels", [ONCE])
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert path.parent.stat().st_mode & 0o777 == path.stat().st_mode & 0o777 == 0o700
    assert look(tmp_path, bin_) == ("compiled", path, total, [])
    assert links(bin_) == 1


def test_ten_processes_at_once_build_once(tmp_path, bin_):
    """All ten wait for the one build, and compute the same."""
    found = [end(one) for one in [begin(tmp_path, bin_) for _ in range(10)]]
    assert links(bin_) == 1
    assert {one[:3] for one in found} == {found[0][:3]}
    assert found[0][0] == "compiled"
    assert sum(one[3] == [ONCE] for one in found) == 1


def link_to_a_copy(path):
    path.replace(path.with_name("other"))
    path.symlink_to("other")


def link_to_nothing(path):
    path.unlink()
    path.symlink_to("/dev/null")


HARM = [
    lambda path: os.truncate(path, 5000),
    lambda path: os.truncate(path, 0),
    lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
    lambda path: path.chmod(0o722),
    link_to_nothing,
    link_to_a_copy,
]


@pytest.mark.slow
def test_what_is_no_more_what_was_kept_is_built_anew(tmp_path, bin_):
    """A library that was harmed, or that others could have, is never loaded."""
    _, path, total, _ = look(tmp_path, bin_)
    for i, harm in enumerate(HARM):
        harm(path)
        assert look(tmp_path, bin_) == ("compiled", path, total, [ONCE])
        assert links(bin_) == i + 2
        assert path.is_file()
        assert not path.is_symlink()


OTHERS = [
    "cache._processor = lambda: ['another one']",
    "building.FLAGS = (*building.FLAGS, '-g')",
    "building.fingerprint = lambda pages: 'other pages'",
    "cache._libc = lambda: 'another one'",
]


@pytest.mark.slow
def test_another_processor_flags_or_pages_have_another_library(tmp_path, bin_):
    """A home that several machines share holds a library for each."""
    found = [look(tmp_path, bin_, before)[:3] for before in ("", *OTHERS)]
    assert links(bin_) == len({path for _, path, _ in found}) == 1 + len(OTHERS)
    assert {(kernels, total) for kernels, _, total in found} == {("compiled", found[0][2])}


@pytest.mark.slow
def test_another_version_of_the_compiler_has_another_library(tmp_path, bin_):
    """A compiler that was upgraded builds anew."""
    look(tmp_path, bin_)
    compiler(bin_, version="echo pretended 2.0")
    look(tmp_path, bin_)
    assert links(bin_) == 2


def a_folder_for_all(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o777)


def a_folder_in_one_for_all(folder):
    folder.mkdir(parents=True)
    folder.parent.chmod(0o777)


def a_link(folder):
    folder.parent.mkdir(parents=True)
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to("elsewhere")


def a_file(folder):
    folder.parent.mkdir(parents=True)
    folder.touch()


def nobody(folder):
    folder.mkdir(parents=True)
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    os.chown(folder, 65534, -1)


@pytest.mark.parametrize(
    "make", [a_folder_for_all, a_folder_in_one_for_all, a_link, a_file, nobody]
)
def test_a_folder_that_is_not_trusted_is_left_alone(tmp_path, bin_, make):
    """Then the library is in a folder of the user's own beside the temporary files."""
    folder = tmp_path / "cache/minicnn/kernels"
    make(folder)
    kernels, path, _, said = look(tmp_path, bin_)
    assert (kernels, said) == ("compiled", [ONCE])
    assert path.parent == tmp_path / f"tmp/minicnn-{os.geteuid()}"
    assert folder.is_file() or not list(folder.iterdir())


FULL = """
import errno
def fail(*args, **options):
    raise OSError(errno.ENOSPC, "No space left on device")
"""


def test_a_process_whose_folders_cannot_be_written_has_a_library_of_its_own(tmp_path, bin_):
    """It is said why, and the library goes with the process."""
    (tmp_path / "cache").touch()
    before = f"{FULL}\ncache.held = fail"
    kernels, path, _, said = look(tmp_path, bin_, before)
    assert kernels == "compiled"
    assert said == [
        "minicnn: compiling its float32 kernels for this process alone. "
        f"{tmp_path}/cache/minicnn/kernels: not a directory."
    ]
    assert path.parent.parent == tmp_path / "tmp"
    assert not path.parent.exists()


def test_without_room_anywhere_numpy_computes(tmp_path, bin_):
    """A full disk is said in one line."""
    kernels, _, _, said = look(tmp_path, bin_, f"{FULL}\ncache._make = fail")
    assert kernels == "vectorized"
    assert said[-1].startswith("minicnn: the kernels cannot be compiled (nowhere can a library be ")
    assert said[-1].endswith(
        'NumPy computes, more slowly. pip install "minicnn[compiler]" brings one.'
    )


def test_a_compiler_that_fails_as_the_cache_is_full_is_tried_elsewhere(tmp_path, bin_):
    """Whether it was for want of room is seen by writing."""
    compiler(bin_, compile_='case "$out" in */cache/*) exit 1;; esac')
    before = f"{FULL}\nfrom pathlib import Path\nPath.write_bytes = fail"
    kernels, path, _, _ = look(tmp_path, bin_, before)
    assert (kernels, path.parent.parent) == ("compiled", tmp_path / "tmp")


def until(found):
    """Wait for something, and return it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come")


def compiling(bin_):
    """The ids of compilers at work."""
    lines = (bin_ / "calls").read_text().splitlines() if (bin_ / "calls").exists() else []
    return [int(line.split()[0]) for line in lines if " -c " in line]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def test_a_builder_that_was_killed_is_in_nobodys_way(tmp_path, bin_):
    """Its lock is gone with it, and what it left is deleted by the next."""
    compiler(bin_, compile_="exec /bin/sleep 60")
    program = begin(tmp_path, bin_)
    pid = until(lambda: compiling(bin_))[0]
    program.kill()
    program.communicate()
    for one in compiling(bin_):
        os.kill(one, signal.SIGKILL)
    folder = tmp_path / "cache/minicnn/kernels"
    assert [one.name[:6] for one in folder.iterdir()] == ["build-"]
    assert pid
    compiler(bin_)
    _, path, _, _ = look(tmp_path, bin_)
    assert list(folder.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="processes are seen in /proc")
def test_ctrl_c_leaves_nothing_behind(tmp_path, bin_):
    """Neither files nor compilers."""
    compiler(bin_, compile_="/bin/sleep 60")
    program = begin(tmp_path, bin_)
    until(lambda: len(compiling(bin_)) >= os.cpu_count())
    time.sleep(0.5)
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode != 0
    assert "KeyboardInterrupt" in err
    assert list((tmp_path / "cache/minicnn/kernels").iterdir()) == []
    until(lambda: not any(map(is_alive, compiling(bin_))))


@pytest.mark.slow
def test_old_libraries_go(tmp_path, bin_):
    """Of twenty the sixteen that were used last are kept."""
    _, path, _, _ = look(tmp_path, bin_)
    for i in range(20):
        old = path.with_name(f"old{i}{path.suffix}")
        old.touch()
        os.utime(old, (i, i))
    path.unlink()
    look(tmp_path, bin_)
    kept = {one.name for one in path.parent.iterdir()}
    assert kept == {path.name, *(f"old{i}{path.suffix}" for i in range(5, 20))}
