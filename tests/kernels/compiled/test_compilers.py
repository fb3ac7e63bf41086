"""Which compiler is taken, and what happens with those that do not work."""

import shutil
import subprocess

import pytest

from compiler_helpers import compiler, links, look, posix, script
from minicnn.kernels.compiled import agreement, building, compilers
from minicnn.kernels.vectorized import VECTORIZED

pytestmark = posix

CRASHES = "void __attribute__((constructor)) crash(void) { __builtin_trap(); }"

HASTE = "building.PATIENCE = compilers.ANSWERS = 2"
"""No test waits as long as a user does."""


def test_without_a_compiler_numpy_computes_and_that_is_said_once(tmp_path):
    """Two models that ask for compiled kernels get one line, and one that names the remedy."""
    kernels, _, total, said = look(tmp_path, tmp_path)
    assert kernels == "vectorized"
    assert said == [
        "minicnn: no C compiler (cc, gcc, clang): NumPy computes, more slowly. "
        'pip install "minicnn[compiler]" brings one.'
    ]
    compiler(tmp_path / "bin")
    assert look(tmp_path, tmp_path / "bin")[2] == pytest.approx(total, rel=1e-5)


@pytest.fixture
def crashing(tmp_path):
    """A library that brings a process down."""
    if not shutil.which("cc"):
        pytest.skip("no cc")
    (tmp_path / "crash.c").write_text(CRASHES)
    path = tmp_path / "crash.so"
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "crash.c", "-o", path], check=True)
    return path


BROKEN = {
    "fails": ({"version": "false"}, "cc --version ended with status 1"),
    "does not answer": ({"version": "exec /bin/sleep 30"}, "cc does not answer"),
    "refuses": (
        {"compile_": 'echo "page.c:1:1: error: no such flag"; echo more; exit 1'},
        "cc failed: page.c:1:1: error: no such flag",
    ),
    "prints rubbish": ({"compile_": r"printf '\033[31m\377'; exit 1"}, r"cc failed: \x1b[31m"),
    "hangs": ({"compile_": "/bin/sleep 30"}, "cc was not done after 2 seconds"),
    "makes nothing": ({"link": ":"}, "cc says that all went well, but made no library"),
    "makes rubbish": (
        {"link": 'echo rubbish > "$out"'},
        "what was compiled fails its test: OSError",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_compiler_is_named_and_the_next_is_tried(tmp_path, name):
    """Alone it leaves the work to NumPy, with one line; beside a good one it is passed over."""
    broken, why = BROKEN[name]
    compiler(tmp_path / "bin", **broken)
    kernels, _, _, said = look(tmp_path, tmp_path / "bin", HASTE)
    assert kernels == "vectorized"
    [line] = [one for one in said if "compiling" not in one]
    assert line.startswith("minicnn: the kernels cannot be compiled (")
    assert why in line
    compiler(tmp_path / "good", "gcc")
    kernels, *_ = look(tmp_path, f"{tmp_path}/bin:{tmp_path}/good", HASTE)
    assert kernels == "compiled"


def test_a_library_that_crashes_brings_down_its_test_alone(tmp_path, crashing):
    """An instruction that this processor lacks ends another process, and no library is kept."""
    compiler(tmp_path / "bin", link=f'/bin/cp "{crashing}" "$out"')
    kernels, _, _, said = look(tmp_path, tmp_path / "bin")
    assert kernels == "vectorized"
    assert "what was compiled fails its test: signal" in said[-1]
    assert list((tmp_path / "cache/minicnn/kernels").iterdir()) == []


def test_a_library_that_computes_wrongly_fails_its_test(monkeypatch, capsys):
    """The first function that is wrong is named; those of NumPy agree with themselves."""
    monkeypatch.setattr(agreement, "use", lambda path: None)
    monkeypatch.setattr(agreement, "set_threads", lambda n: None)
    monkeypatch.setattr(agreement, "COMPILED", VECTORIZED)
    assert agreement.main("library", *building.BOTH) == 0

    class Wrong:
        def __getattr__(self, name):
            real = getattr(VECTORIZED, name)
            return lambda *args: real(*args) * 1.001 if name == "avg_pool" else real(*args)

    monkeypatch.setattr(agreement, "COMPILED", Wrong())
    assert agreement.main("library", *building.BOTH) == 1
    assert capsys.readouterr().out.startswith(
        "wrong numbers from avg_pool of 7 x 5 pixels, float32"
    )


def test_cc_comes_first_and_may_have_arguments(tmp_path):
    """``CC="mycc --fast"`` is run with its argument, before those on the PATH."""
    compiler(tmp_path / "bin")
    compiler(tmp_path / "mine", "mycc")
    script(tmp_path / "mine", "wrapper", f'shift; exec "{tmp_path}/mine/mycc" "$@"')
    kernels, *_ = look(tmp_path, tmp_path / "bin", CC=f"{tmp_path}/mine/wrapper --fast")
    assert (kernels, links(tmp_path / "mine"), links(tmp_path / "bin")) == ("compiled", 1, 0)


@pytest.mark.slow
def test_cc_that_is_no_command_is_passed_over(tmp_path):
    """A name that nobody has, or a quotation mark too many."""
    compiler(tmp_path / "bin")
    for wrong in ("nobody-has-this", "'", f"{tmp_path}/bin"):
        assert look(tmp_path, tmp_path / "bin", CC=wrong)[0] == "compiled"


def test_a_compiler_whose_path_has_spaces_is_found(tmp_path, monkeypatch):
    """In CC without quotation marks too."""
    path = compiler(tmp_path / "my bin")
    monkeypatch.setenv("CC", str(path))
    assert next(compilers.candidates()) == (str(path),)


def test_macos_is_not_made_to_install_one(tmp_path, monkeypatch):
    """Its /usr/bin/cc opens a window, unless the tools are there."""
    monkeypatch.setattr(compilers.sys, "platform", "darwin")
    asked = []
    for code, asks in ((2, True), (0, False)):
        answer = subprocess.CompletedProcess([], code)
        monkeypatch.setattr(
            compilers.subprocess,
            "run",
            lambda *args, answer=answer, **_: asked.append(args) or answer,
        )
        assert compilers._asks_to_be_installed("/usr/bin/cc") is asks
    assert not compilers._asks_to_be_installed("/opt/homebrew/bin/gcc")
    assert asked == [(["/usr/bin/xcode-select", "-p"],)] * 2


def test_windows_takes_none_from_the_current_folder(tmp_path, monkeypatch):
    """Anybody may have put it there."""
    monkeypatch.setattr(compilers, "os", type("OS", (), {"name": "nt"}))
    monkeypatch.chdir(tmp_path)
    assert compilers._here(str(tmp_path / "gcc.exe"))
    assert not compilers._here(str(tmp_path / "bin" / "gcc.exe"))
