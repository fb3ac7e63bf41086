"""Compilers that are none, and programs that look for compiled kernels with them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn.kernels.compiled import library

posix = pytest.mark.skipif(os.name != "posix", reason="the compilers here are shell scripts")

LOOK = """
import sys
from minicnn.kernels.compiled import building, cache, compilers, library
compilers._zig = lambda: None
{before}
import numpy as np
from minicnn.layers import Conv2D, Input
from minicnn.models import Sequential
for kernels in ("compiled", "compiled"):
    model = Sequential([Input((9, 9, 3)), Conv2D(4, 3)], seed=0, kernels=kernels)
    y = model.predict(np.ones((2, 9, 9, 3), "float32"), verbose=0)
print(model.kernels, library.loaded() and library.loaded().path, float(y.sum()))
"""


def good_library():
    """The library of this machine, or a skip."""
    found = library.loaded()
    if found is None:
        pytest.skip("no C compiler")
    return found.path


def script(folder, name, text):
    """A program of shell."""
    folder.mkdir(parents=True, exist_ok=True)
    path, new = folder / name, folder / f"{name}.new"
    new.write_text(f"#!/bin/sh\n{text}\n")
    new.chmod(0o755)
    return new.replace(path)  # the old one may still run


def compiler(folder, name="cc", compile_=":", link=None, version="echo pretended 1.0"):
    """A compiler that notes each call in ``calls`` beside it; linking copies this machine's."""
    link = f'/bin/cp "{good_library()}" "$out"' if link is None else link
    return script(
        folder,
        name,
        f'echo "$$" "$*" >> "{folder}/calls"\n'
        f'if [ "$1" = --version ]; then {version}; exit $?; fi\n'
        'previous=; for a; do [ "$previous" = -o ] && out=$a; previous=$a; done\n'
        f'case " $* " in *" -shared "*) {link};; *) : > "$out"; {compile_};; esac',
    )


def links(folder):
    """How often it was asked to link, that is for whole builds."""
    calls = folder / "calls"
    return calls.read_text().count(" -shared ") if calls.exists() else 0


def environment(tmp_path, path):
    """Where a program finds its compilers, and keeps libraries."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    changed = {
        "PATH": str(path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path / "tmp"),
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CC", "MINICNN_KERNELS", *changed)
    }
    return kept | changed


def begin(tmp_path, path, before="", **more):
    """Start a program that computes with compiled kernels."""
    return subprocess.Popen(
        [sys.executable, "-c", LOOK.format(before=before)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path, path) | more,
        cwd=tmp_path,
    )


def end(program):
    """(kernels, path of the library, what was computed, lines on standard error)."""
    out, err = program.communicate(timeout=120)
    assert program.returncode == 0, err
    kernels, path, total = out.split()
    return kernels, Path(path), float(total), err.splitlines()


def look(tmp_path, path, before="", **more):
    """``begin`` and ``end``."""
    return end(begin(tmp_path, path, before, **more))
