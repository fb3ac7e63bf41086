"""Archives from the net: what is good is unpacked as it is, what is not leaves nothing behind."""

import gzip
import os
import random
import tarfile
import time
import tracemalloc
import zipfile

import pytest

from download_helpers import write_tar
from minicnn._files.unpacking import unpack
from minicnn.errors import DataError

FILES = {"cats/1.txt": b"a cat", "cats/deep/er/2.txt": b"", "readme": b"x" * 400_000}


def tree(folder):
    """Path -> bytes of all files in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def info(name, kind, target="", size=0):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, target, size
    return made


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_tars_are_unpacked(mode, tmp_path):
    """Plain and compressed ones, with their folders."""
    archive = write_tar(tmp_path / "a", {"cats": info("cats", tarfile.DIRTYPE), **FILES}, mode)
    assert unpack(archive, tmp_path / "out") == ["cats", "readme"]
    assert tree(tmp_path / "out") == FILES


def test_zips_are_unpacked(tmp_path):
    """Also those that a program for Windows wrote, with backslashes in the names."""
    files = {"cats\\1.txt": b"a cat", "cats/deep/er/2.txt": b"", "readme": b"x" * 400_000}
    archive = write_zip(tmp_path / "a", files)
    assert unpack(archive, tmp_path / "out") == ["cats", "readme"]
    assert tree(tmp_path / "out") == FILES


def test_a_second_time_only_what_is_missing_is_written(tmp_path):
    """A file with its size is left alone; another, and one that was deleted, come back."""
    archive = write_tar(tmp_path / "a", FILES)
    out = tmp_path / "out"
    unpack(archive, out)
    (out / "readme").unlink()
    (out / "cats/1.txt").write_bytes(b"a dog, and a long one")
    os.utime(out / "cats/deep/er/2.txt", (1, 1))
    unpack(archive, out)
    assert tree(out) == FILES
    assert (out / "cats/deep/er/2.txt").stat().st_mtime == 1


def test_a_folder_at_the_top_can_be_left_out(tmp_path):
    """What it holds lies at the top then, beside what lies there already."""
    archive = write_tar(tmp_path / "a", FILES)
    assert unpack(archive, tmp_path / "out", without="cats") == ["readme"]
    assert sorted(tree(tmp_path / "out")) == ["1.txt", "deep/er/2.txt", "readme"]


def test_links_become_copies(tmp_path):
    """Of a file in the archive, before or behind them, in the same folder or another."""
    files = {
        "b/early": info("b/early", tarfile.SYMTYPE, "../a/file"),
        "a/file": b"data",
        "late": info("late", tarfile.LNKTYPE, "a/file"),
    }
    unpack(write_tar(tmp_path / "x", files), tmp_path / "out")
    assert tree(tmp_path / "out") == dict.fromkeys(["b/early", "a/file", "late"], b"data")
    assert not (tmp_path / "out/late").is_symlink()


BAD = {
    "up": ({"../evil": b"x"}, r"'\.\./evil' would be written outside the folder"),
    "further up": ({"a/../../evil": b"x"}, "outside the folder"),
    "absolute": ({"/tmp/evil": b"x"}, "outside the folder"),
    "device": ({"d": info("d", tarfile.CHRTYPE)}, "'d' is a device or a pipe"),
    "pipe": ({"d": info("d", tarfile.FIFOTYPE)}, "'d' is a device or a pipe"),
    "link out": ({"l": info("l", tarfile.SYMTYPE, "/etc/passwd")}, "no file in the archive"),
    "link up": ({"l": info("l", tarfile.LNKTYPE, "../x")}, "no file in the archive"),
    "circle": (
        {n: info(n, tarfile.SYMTYPE, t) for n, t in (("a", "b"), ("b", "a"))},
        "no file in the archive",
    ),
    "bomb": ({"zeros": bytes(150 << 20)}, "claims 157,286,912 bytes, too many for a file of"),
}


@pytest.mark.parametrize("name", BAD)
def test_archives_that_would_do_harm_are_refused(name, tmp_path):
    """Paths and links that lead out, devices and bombs; nothing is written outside, nor waited."""
    files, said = BAD[name]
    archive = write_tar(tmp_path / "x", files)
    before, begun = tree(tmp_path), time.process_time()
    with pytest.raises(DataError, match=f"^{tmp_path}/x: .*{said}"):
        unpack(archive, tmp_path / "out")
    assert time.process_time() - begun < 5
    assert tree(tmp_path) == before


def test_zips_that_would_do_harm_are_refused(tmp_path):
    """A path that leads out, and a bomb."""
    for files, said in (
        ({"..\\evil": b"x"}, "outside the folder"),
        ({"zeros": bytes(150 << 20)}, "too many for a file"),
    ):
        with pytest.raises(DataError, match=said):
            unpack(write_zip(tmp_path / "x", files), tmp_path / "out")
        assert tree(tmp_path / "out") == {}
    with pytest.raises(DataError, match="got another compression"):
        unpack(write_zip(tmp_path / "x", FILES, zipfile.ZIP_LZMA), tmp_path / "out")


def test_a_link_that_was_there_is_not_followed(tmp_path):
    """A folder in the way that leads elsewhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/cats").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"'cats/1\.txt' would be written through a link"):
        unpack(write_tar(tmp_path / "x", FILES), tmp_path / "out")
    assert tree(tmp_path / "elsewhere") == {}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "zip"])
def test_damaged_archives_are_called_that(mode, tmp_path):
    """Cut at any place, or with a bit turned: one line, or what is right; never half a file."""
    path = tmp_path / "x"
    rng = random.Random(0)
    files = {"a.txt": rng.randbytes(3000), "b.txt": b"text " * 500}
    write_zip(path, files) if mode == "zip" else write_tar(path, files, mode)
    whole = path.read_bytes()
    refused = 0
    for i in range(120):
        at = rng.randrange(len(whole))
        turned = bytes([whole[at] ^ 1 << rng.randrange(8)])
        path.write_bytes(whole[:at] if i % 2 else whole[:at] + turned + whole[at + 1 :])
        out = tmp_path / f"out{i}"
        try:
            unpack(path, out)
        except DataError:
            refused += 1
        found = tree(out) if out.exists() else {}
        if mode != "w":  # a plain tar has no checksum of what it holds
            assert all(data in files.values() for data in found.values())
    assert refused > 40


def test_other_files_are_no_archives(tmp_path):
    """Text, nothing at all, a tar where a zip was asked for, and a file where the folder is."""
    for data in (b"hello " * 200, b"", b"\x1f\x8b"):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(DataError, match="expected a tar or zip archive, got a"):
            unpack(tmp_path / "x", tmp_path / "out")
    with pytest.raises(DataError, match="expected a zip archive, got another kind of file"):
        unpack(write_tar(tmp_path / "x", FILES), tmp_path / "out", ["zip"])
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match="taken: cannot be written to: file exists"):
        unpack(tmp_path / "x", tmp_path / "taken")


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path):
    """The long name of a member, which a tar's reader would have whole in memory."""
    long = info("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=1 << 30).tobuf()
    (tmp_path / "x").write_bytes(gzip.compress(long + bytes(64 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="got a damaged one"):
            unpack(tmp_path / "x", tmp_path / "out")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
