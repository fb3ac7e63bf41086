"""Files that are fetched once, from a server on this machine."""

import gc
import hashlib
import sys
import warnings
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from minicnn._files.downloads import fetched
from minicnn.errors import ConfigError, DataError

CONTENT = b"the weights"
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """(the address of a server, the paths that were asked of it)."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    (tmp_path / "served").mkdir()
    (tmp_path / "served/weights.h5").write_bytes(CONTENT)
    handler = partial(Handler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()
        thread.join()
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()  # what pooch leaves open of an answer that is an error


@pytest.mark.parametrize("known_hash", [MD5, SHA256, None])
def test_a_file_is_downloaded_once(known_hash, server, tmp_path):
    """Into a folder that is made for it; the second time nothing is asked of the server."""
    address, asked = server
    for _ in range(2):
        path = fetched("w.h5", f"{address}/weights.h5", known_hash, tmp_path / "new/models")
        assert path == tmp_path / "new/models/w.h5"
        assert path.read_bytes() == CONTENT
    assert len(asked) == 1


def test_another_content_is_replaced(server, tmp_path):
    """A file that is damaged, or an older one."""
    (tmp_path / "w.h5").write_bytes(b"damaged")
    path = fetched("w.h5", f"{server[0]}/weights.h5", MD5, tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("name", "known_hash"), [("weights.h5", "0" * 32), ("other.h5", MD5)])
def test_what_cannot_be_had_is_one_line(name, known_hash, server, tmp_path):
    """A file of another content, or none: nothing is left behind."""
    url = f"{server[0]}/{name}"
    with pytest.raises(DataError, match=rf"w\.h5 could not be downloaded .* from {url}") as error:
        fetched("w.h5", url, known_hash, tmp_path / "models")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "models").iterdir())


def test_without_pooch_there_are_two_ways(tmp_path, monkeypatch):
    """To install it, or to put the file there, which then is taken."""
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ConfigError, match=r'pip install "minicnn\[data\]".* from http://a/w\.h5'):
        fetched("w.h5", "http://a/w.h5", MD5, tmp_path)
    (tmp_path / "w.h5").write_bytes(CONTENT)
    assert fetched("w.h5", "http://a/w.h5", MD5, tmp_path) == tmp_path / "w.h5"
