"""The pages built by other compilers, and for other processors, compute the same."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from compiler_helpers import posix
from minicnn.kernels.compiled import building, cache, compilers, trial

pytestmark = [pytest.mark.slow, posix]

X86 = pytest.mark.skipif(not compilers.X86, reason="this processor is of another family")

AGREE = """
import sys, pytest
from pathlib import Path
from minicnn.kernels.compiled.library import use
use(Path(sys.argv[1]))
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[2:]]))
"""
"""The tests of the compiled kernels, with one certain library."""

FAMILIES = sorted(
    str(path)
    for path in Path(__file__).parent.glob("test_*.py")
    if path.stem not in ("test_cache", "test_compilers", "test_library", "test_processors")
)


def compiler(name):
    command = (compilers._zig(), "cc") if name == "zig" else (shutil.which(name),)
    if command[0] is None:
        pytest.skip(f"no {name}")
    return compilers.identify(command)


def needs(flag):
    if flag and flag not in cache.machine().split():
        pytest.skip(f"this processor has no {flag}")


@X86
@pytest.mark.parametrize("name", ["gcc", "clang", "zig"])
@pytest.mark.parametrize(
    ("processor", "flag"), [("x86-64", ""), ("haswell", "avx2"), ("skylake-avx512", "avx512vl")]
)
def test_every_width_of_vectors_computes_the_same(tmp_path, name, processor, flag):
    """Vectors of 16, 32 and 64 bytes, by each compiler that is here."""
    needs(flag)
    path = building.build(compiler(name), tmp_path, (f"-march={processor}",))
    trial.require(path, *building.BOTH)
    program = [sys.executable, "-c", AGREE, str(path), *FAMILIES]
    ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=1800)
    assert ran.returncode == 0, ran.stdout[-3000:]


def test_no_access_is_out_of_bounds_and_nothing_is_undefined(tmp_path, monkeypatch):
    """AddressSanitizer and UndefinedBehaviorSanitizer have nothing to say of any test; nor, with
    ALL_SETTINGS, of 3,000 more convolutions."""
    checks = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    gcc = compiler("gcc")
    monkeypatch.setattr(building, "PATIENCE", 600)
    checked = compilers.identify((*gcc.command, *checks))
    path = building.build(checked, tmp_path, ("-march=native", "-O1"))
    ask = [*gcc.command, "-print-file-name=libasan.so"]
    runtime = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    surroundings = os.environ | {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    program = [sys.executable, "-c", AGREE, str(path), *FAMILIES]
    if "ALL_SETTINGS" in os.environ:
        program += ["-m", "slow or not slow"]
    ran = subprocess.run(
        program, capture_output=True, text=True, check=False, timeout=3600, env=surroundings
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


@pytest.mark.parametrize(
    ("target", "processor"),
    [
        ("aarch64-linux-gnu", "cortex_a72"),
        ("aarch64-macos", "apple_m1"),
        ("x86_64-linux-musl", "x86_64_v3"),
        ("x86_64-windows-gnu", "x86_64_v3"),
    ],
)
def test_other_systems_get_a_library(tmp_path, monkeypatch, target, processor):
    """It compiles and links for Linux and macOS on ARM, for musl and for Windows."""
    monkeypatch.setattr(building, "PATIENCE", 600)
    monkeypatch.setattr(compilers, "X86", processor.startswith("x86"))
    path = building.build(compiler("zig"), tmp_path, ("-target", target, f"-mcpu={processor}"))
    assert path.stat().st_size > 10_000


def test_arm_computes_the_same(tmp_path, monkeypatch):
    """Vectors of ARM, by an emulator: AARCH64_ROOT holds a Python and NumPy for it (.ci/run)."""
    root, qemu = os.environ.get("AARCH64_ROOT"), shutil.which("qemu-aarch64")
    if not root or not qemu:
        pytest.skip("no emulator of ARM, or no Python for it")
    monkeypatch.setattr(compilers, "X86", False)
    target = ("-target", "aarch64-linux-gnu", "-mcpu=cortex_a72")
    path = building.build(compiler("zig"), tmp_path, target)
    paths = os.pathsep.join([f"{root}/site", str(Path(minicnn.__file__).parents[1])])
    given = [f"PYTHONPATH={paths}", f"PYTHONHOME={root}/usr", "PYTHONDONTWRITEBYTECODE=1"]
    options = [word for one in given for word in ("-E", one)]
    program = [qemu, "-L", root, *options, f"{root}/usr/bin/python3.11", "-m", trial.AGREEMENT]
    ran = subprocess.run(
        [*program, path, *building.BOTH], capture_output=True, text=True, check=False, timeout=900
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
