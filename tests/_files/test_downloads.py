"""Downloads: what is there is used, what comes is whole and the right file, or a line says why."""

import os
import sys

import pytest

from download_helpers import md5, serving, sha256
from minicnn._files.downloads import fetched, hash_of, keras_home
from minicnn.errors import ConfigError, DataError

pytest.importorskip("pooch")

NOWHERE = "http://127.0.0.1:9/a.bin"
"""A port on which nobody answers."""


@pytest.fixture
def there(tmp_path):
    """A file on a server, the server, and an empty cache."""
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "a.bin").write_bytes(bytes(range(256)) * 5000)
    with serving(folder) as server:
        yield folder / "a.bin", server, tmp_path / "cache"


@pytest.mark.parametrize("prefix", ["", "named"])
@pytest.mark.parametrize("kind", [md5, sha256])
def test_a_file_is_fetched_once(kind, prefix, there, capsys):
    """It comes byte by byte, its hash of either kind is checked, and later calls ask nobody."""
    file, server, cache = there
    known = f"{kind.__name__}:" * bool(prefix) + kind(file).upper()
    path = fetched("b.bin", f"{server.url}a.bin", known, cache / "inner")
    assert path == cache / "inner" / "b.bin"
    assert path.read_bytes() == file.read_bytes()
    assert capsys.readouterr().out == f"Downloading {server.url}a.bin\n"
    assert fetched("b.bin", NOWHERE, known, cache / "inner") == path
    assert fetched("b.bin", NOWHERE, None, cache / "inner") == path
    assert server.asked == ["/a.bin"]
    assert os.listdir(cache / "inner") == ["b.bin"]


def test_what_is_in_the_cache_needs_no_pooch(there, monkeypatch):
    """Without the package a good file is used, and another is answered with three ways to go on."""
    file, server, cache = there
    cache.mkdir()
    (cache / "b.bin").write_bytes(file.read_bytes())
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert fetched("b.bin", NOWHERE, sha256(file), cache).exists()
    with pytest.raises(DataError, match=r"pooch.*pip install pooch\. Or put the file at .*c.bin"):
        fetched("c.bin", f"{server.url}a.bin", md5(file), cache)
    assert os.listdir(cache) == ["b.bin"]


def test_an_old_file_is_replaced(there, capsys):
    """What is there with another hash gives way, once the new one is whole and right."""
    file, server, cache = there
    cache.mkdir()
    (cache / "a.bin").write_bytes(b"old")
    with pytest.raises(DataError, match="cannot be reached"):
        fetched("a.bin", NOWHERE, sha256(file), cache)
    assert (cache / "a.bin").read_bytes() == b"old"
    path = fetched("a.bin", f"{server.url}a.bin", sha256(file), cache)
    assert hash_of(path, "sha256") == sha256(file)
    assert "has another sha256 than the one wanted, and is replaced" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nothing.bin", r"127\.0\.0\.1:\d+ answered 404 \(Not Found\)\. Or put the file at"),
        ("cut.bin", r"127\.0\.0\.1:\d+ broke off\. Or put"),
        ("a.bin", "expected a file whose md5 is 0000.*, got .*: another file, or a damaged one"),
    ],
)
def test_a_download_that_fails_leaves_nothing(url, said, there):
    """No server, no such file, half of it or another: one line with what to do, and no file."""
    _, server, cache = there
    with pytest.raises(DataError, match=rf"^b\.bin: .*{said}") as error:
        fetched("b.bin", server.url + url, "0" * 32, cache)
    assert f"Or put the file at {cache / 'b.bin'} by hand (its md5 is 000" in str(error.value)
    assert "\n" not in str(error.value)
    assert os.listdir(cache) == []


@pytest.mark.parametrize(("how", "times"), [("parts", 5), ("whole", 2)])
def test_a_transfer_that_breaks_off_is_gone_on_with(how, times, there):
    """What has come is not asked for again, unless the server sends all; the file is whole."""
    file, server, cache = there
    path = fetched("b.bin", f"{server.url}{how}?a.bin", sha256(file), cache)
    assert path.read_bytes() == file.read_bytes()
    assert len(server.asked) == times
    assert os.listdir(cache) == ["b.bin"]


def test_nobody_answers(tmp_path):
    """A machine without the net is told so."""
    with pytest.raises(DataError, match=r"cannot be reached.*connected to the net"):
        fetched("b.bin", NOWHERE, None, tmp_path)


def test_an_interrupted_download_leaves_nothing(there, monkeypatch):
    """Ctrl-C on the way."""
    import pooch

    def interrupted(self, url, output, *_):
        output.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    _, server, cache = there
    with pytest.raises(KeyboardInterrupt):
        fetched("b.bin", f"{server.url}a.bin", None, cache)
    assert os.listdir(cache) == []


def test_a_terminal_sees_the_progress(there, monkeypatch, capsys):
    """One line that is written over, with the megabytes so far and in all."""
    from minicnn._files import downloads

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(downloads._Line, "EVERY", 0)
    _, server, cache = there
    fetched("b.bin", f"{server.url}a.bin", None, cache)
    line = capsys.readouterr().err
    assert line.startswith("\r0.3 of 1.3 MB \r0.5 of 1.3 MB")
    assert line.endswith("\n")
    assert line.count("\n") == 1


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or not os.geteuid(), reason="root may write anywhere"
)
def test_a_cache_that_cannot_be_written_to_is_named(there):
    """The folder, and the variable that names another."""
    _, server, cache = there
    cache.mkdir(mode=0o500)
    with pytest.raises(DataError, match=r"cannot be written: permission denied.*KERAS_HOME"):
        fetched("b.bin", f"{server.url}a.bin", None, cache)


def test_a_cache_that_is_a_file_is_named(there):
    """As is a folder where the file should be."""
    file, server, cache = there
    with pytest.raises(
        DataError, match=r"a\.bin: cannot be made: a file has this name\..*KERAS_HOME"
    ):
        fetched("b.bin", f"{server.url}a.bin", None, file)
    (cache / "b.bin").mkdir(parents=True)
    with pytest.raises(DataError, match="expected a file, got a folder"):
        fetched("b.bin", f"{server.url}a.bin", None, cache)


def test_files_of_this_machine_and_other_urls(there):
    """file:// is copied; what is no URL, or no hash, is a mistake of the caller's."""
    file, server, cache = there
    assert fetched("b.bin", file.as_uri(), md5(file), cache).read_bytes() == file.read_bytes()
    with pytest.raises(DataError, match=r"none\.bin: cannot be read: no such file"):
        fetched("c.bin", (cache / "none.bin").as_uri(), None, cache)
    with pytest.raises(ConfigError, match="expected a URL that begins with https://"):
        fetched("c.bin", "ftp://example.com/c.bin", None, cache)
    with pytest.raises(ConfigError, match="expected the hash as an md5 of 32 or a sha256 of 64"):
        fetched("c.bin", server.url, "md5:123", cache)
    with pytest.raises(DataError, match="cannot be downloaded from http://"):
        fetched("c.bin", "http://", None, cache)


def test_keras_home(monkeypatch, tmp_path):
    """The variable, or the folder in the home directory."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert keras_home() == tmp_path
    monkeypatch.setenv("KERAS_HOME", "~/cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert keras_home() == tmp_path / "cache"
    monkeypatch.delenv("KERAS_HOME")
    assert keras_home() == tmp_path / ".keras"
