"""Zip archives and JSON from strangers: what is read, and what is refused in one line."""

import json
import os
import zipfile

import pytest

from minicnn._files import archive
from minicnn.errors import ModelFileError


def write(path, members, compression=zipfile.ZIP_STORED):
    """An archive with those members."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def read(path, name="a.json"):
    """The JSON in the archive."""
    with archive.opened(path, ".keras", ModelFileError) as file:
        return file.json(name)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_by_name(tmp_path, compression):
    """A member comes as it was written, stored or deflated, also a large one."""
    large = os.urandom(3 << 20)
    path = write(tmp_path / "a.keras", {"a.json": '{"b": 1}', "large": large}, compression)
    assert read(path) == {"b": 1}
    with archive.opened(path, ".keras", ModelFileError) as file:
        assert file.read("large") == large


def test_members_of_windows_are_found(tmp_path):
    """Some programs write backslashes in the names of members."""
    path = write(tmp_path / "a.keras", {"b.json": '{"b": 1}'})
    path.write_bytes(path.read_bytes().replace(b"b.json", b"a\\json"))
    assert read(path, "a/json") == {"b": 1}


def patched(data, at, value):
    """The bytes with others in the place of some."""
    return data[:at] + value + data[at + len(value) :]


def many(path):
    """An archive whose table of members is longer than a megabyte."""
    return write(path, {f"{i:0200}": b"" for i in range(6000)})


HOSTILE = {
    "missing": (lambda p: p / "none", "cannot be read: no such file"),
    "a folder": (lambda p: p, "expected a file, got a folder"),
    "a device": (lambda p: type(p)("/dev/zero"), "got a pipe or a device"),
    "empty": (lambda p: (p / "a").write_bytes(b""), "expected a .keras file"),
    "no such member": (lambda p: write(p / "a", {"b": b""}), "one without a.json"),
    "too many members": (lambda p: many(p / "a"), "expected a .keras file"),
    "bomb": (
        lambda p: write(p / "a", {"a.json": b" " * (5 << 20)}, zipfile.ZIP_DEFLATED),
        "a.json claims 5,242,880 bytes, which is too many",
    ),
    "another compression": (
        lambda p: write(p / "a", {"a.json": b"{}"}, zipfile.ZIP_LZMA),
        "expected a.json stored or deflated",
    ),
    "wrong checksum": (
        lambda p: (p / "a").write_bytes(
            write(p / "a", {"a.json": b'{"a": 12345}'}).read_bytes().replace(b"12345", b"12346")
        ),
        "or a damaged one",
    ),
    "text": (lambda p: write(p / "a", {"a.json": b"hello"}), "a.json is damaged"),
    "no object": (lambda p: write(p / "a", {"a.json": b"[]"}), "a.json is damaged"),
    "not UTF-8": (lambda p: write(p / "a", {"a.json": b'{"a": "\xff"}'}), "a.json is damaged"),
    "a long number": (
        lambda p: write(p / "a", {"a.json": b'{"a": ' + b"9" * 10**5 + b"}"}),
        "a.json is damaged",
    ),
    "deep": (
        lambda p: write(p / "a", {"a.json": b'{"a":' * 500 + b"1" + b"}" * 500}),
        "a.json is nested more than 100 deep",
    ),
    "deeper": (lambda p: write(p / "a", {"a.json": b"[" * 10**5}), "a.json is damaged"),
    "in many parts": (
        lambda p: write(p / "a", {"a.json": b"[" * 10**6}),
        "a.json has more than 200,000 lists and objects",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_wrong_is_said_in_one_line(what, tmp_path):
    """Each way an archive can be bad gives one line that says which."""
    make, message = HOSTILE[what]
    made = make(tmp_path)
    with pytest.raises(ModelFileError, match=message) as error:
        read(made if isinstance(made, type(tmp_path)) else tmp_path / "a")
    assert "\n" not in str(error.value)


def test_a_member_is_no_larger_than_it_says(tmp_path):
    """A member whose table says 100 bytes does not give the 10 MB that it unpacks to."""
    bomb = {"a.json": b" " * 10_000_000}
    data = write(tmp_path / "a", bomb, zipfile.ZIP_DEFLATED).read_bytes()
    size = (10_000_000).to_bytes(4, "little")
    (tmp_path / "a").write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(ModelFileError):
        read(tmp_path / "a")


def test_a_name_that_leads_out_of_the_archive_leads_nowhere(tmp_path):
    """Members called ../../a or /etc/a are not unpacked, whatever else is read."""
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(inner / "a", {"../../slip.json": b"{}", "/slip.json": b"{}", "a.json": b"{}"})
    before = sorted(tmp_path.rglob("*"))
    assert read(path) == {}
    assert sorted(tmp_path.rglob("*")) == before


def test_json_up_to_the_limit_is_read():
    """A hundred levels and four megabytes are allowed, one more is not."""
    deep = "[" * 99 + "]" * 99
    assert archive.json_object("a", f'{{"a": {deep}}}', ModelFileError)
    with pytest.raises(ModelFileError, match="nested more than 100 deep"):
        archive.json_object("a", f'{{"a": [{deep}]}}', ModelFileError)
    text = json.dumps({"a": "b" * (archive.JSON_LIMIT - 9)})
    assert len(text) == archive.JSON_LIMIT
    assert archive.json_object("a", text, ModelFileError)
    with pytest.raises(ModelFileError, match="which is too many"):
        archive.json_object("a", text + " ", ModelFileError)
