"""``get_file``: where files go, and where an archive's files are found by scripts of any age."""

import os
from pathlib import Path

import pytest

from download_helpers import md5, serving, sha256, write_tar
from minicnn.errors import ConfigError, DataError
from minicnn.utils import get_file

pytest.importorskip("pooch")

FLOWERS = {
    "flower_photos/LICENSE.txt": b"CC-BY",
    "flower_photos/daisy/1.jpg": b"daisy",
    "flower_photos/roses/2.jpg": b"rose",
}
CLASSES = ["LICENSE.txt", "daisy", "roses"]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with an archive of flowers and a text, and an empty cache."""
    folder = tmp_path / "there"
    folder.mkdir()
    write_tar(folder / "flower_photos.tgz", FLOWERS)
    (folder / "a.txt").write_bytes(b"hello")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with serving(folder) as server:
        server.folder, server.cache = folder, tmp_path / "home" / "datasets"
        yield server


def test_a_file_is_kept_by_its_name(server):
    """The last part of the URL, or ``fname``, in ``cache_subdir`` of ``cache_dir``."""
    assert get_file(origin=f"{server.url}a.txt?raw=1") == str(server.cache / "a.txt")
    path = get_file("b.txt", f"{server.url}a.txt", cache_subdir="texts", cache_dir=server.folder)
    assert path == str(server.folder / "texts" / "b.txt")
    assert Path(path).read_bytes() == b"hello"
    # As Keras 2 takes it.
    path = get_file(str(server.folder / "c.txt"), f"{server.url}a.txt")
    assert path == str(server.folder / "c.txt")


def test_untar_as_scripts_have_it(server):
    """The returned folder has the classes, as with ``path = get_file('flower_photos', untar=True)``
    in Keras 2."""
    url = f"{server.url}flower_photos.tgz"
    path = get_file("flower_photos", origin=url, untar=True)
    assert path == str(server.cache / "flower_photos")
    assert sorted(os.listdir(path)) == CLASSES
    assert sorted(os.listdir(server.cache)) == ["flower_photos", "flower_photos_archive"]
    os.unlink(Path(path, "daisy", "1.jpg"))
    get_file("flower_photos", origin=url, untar=True)
    assert Path(path, "daisy", "1.jpg").read_bytes() == b"daisy"
    assert server.asked == ["/flower_photos.tgz"]


@pytest.mark.parametrize(
    ("fname", "found"),
    [(None, "flower_photos.tgz"), ("f.tar.gz", "f_extracted"), ("flowers", "flowers")],
)
def test_extract_as_scripts_have_it(fname, found, server):
    """Keras 3.6 and later look into the folder that is returned, those before beside it."""
    path = Path(get_file(fname, origin=f"{server.url}flower_photos.tgz", extract=True))
    assert path == server.cache / found
    assert sorted(os.listdir(path / "flower_photos")) == CLASSES
    assert sorted(os.listdir(path.parent / "flower_photos")) == CLASSES
    if fname is None:
        assert sorted(os.listdir(path.with_suffix(""))) == CLASSES


def test_what_has_the_name_of_a_link_stays(server):
    """A folder that is there already is not touched."""
    (server.cache / "flower_photos").mkdir(parents=True)
    get_file("f.tgz", origin=f"{server.url}flower_photos.tgz", extract=True)
    assert os.listdir(server.cache / "flower_photos") == []


def test_another_folder_in_the_archive(server, monkeypatch):
    """``untar=True`` with a name that the archive has not: Keras 2's scripts look beside it."""
    monkeypatch.chdir(server.folder)
    path = get_file(
        "flowers_v1", f"{server.url}flower_photos.tgz", untar=True, cache_dir=".", cache_subdir=""
    )
    assert path == "flowers_v1"
    assert sorted(os.listdir("flower_photos")) == CLASSES


def test_hashes_and_downloading_anew(server):
    """A hash of either kind, told apart by length; ``force_download`` asks in any case."""
    url, file = f"{server.url}a.txt", server.folder / "a.txt"
    for hashes in (
        {"file_hash": sha256(file)},
        {"file_hash": md5(file), "hash_algorithm": "md5"},
        {"md5_hash": md5(file)},
    ):
        get_file(origin=url, **hashes)
    assert len(server.asked) == 1
    with pytest.raises(DataError, match=r"a\.txt: expected a file whose md5 is 000"):
        get_file(origin=url, md5_hash="0" * 32)
    file.write_bytes(b"new")
    assert Path(get_file(origin=url)).read_bytes() == b"hello"
    assert Path(get_file(origin=url, force_download=True)).read_bytes() == b"new"


def test_what_is_no_archive(server):
    """One line, and what was downloaded stays where it is."""
    with pytest.raises(DataError, match=r"a\.txt_archive: expected a tar or zip archive, got a"):
        get_file(origin=f"{server.url}a.txt", extract=True)
    with pytest.raises(DataError, match="expected a zip archive, got another kind"):
        get_file(origin=f"{server.url}flower_photos.tgz", extract=True, archive_format="zip")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, r"expected origin as the URL of the file, such as https://\.\.\., got None"),
        ({"origin": "https://example.com/"}, "expected fname as the file's name"),
        ({"origin": "example.com/a.txt"}, "a.txt: expected a URL that begins with https://"),
        ({"origin": "http://a/b", "extract": 1}, "expected extract as True or False, got 1"),
        ({"origin": "http://a/b", "hash_algorithm": "sha1"}, "as 'auto', 'md5' or 'sha256'"),
        ({"origin": "http://a/b", "archive_format": "rar", "extract": True}, "as 'auto', 'tar'"),
        ({"origin": "http://a/b", "cache_dir": 3}, "expected cache_dir as a path, got 3"),
        ({"origin": "http://a/b", "file_hash": "12"}, "expected the hash as an md5 of 32"),
    ],
)
def test_arguments_that_make_no_sense(arguments, said, server):
    """Each is named in one line."""
    with pytest.raises(ConfigError, match=said):
        get_file(**arguments)
