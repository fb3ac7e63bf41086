"""The benchmark runs, and stops when what it compares is not the same."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """Let the benchmark's files import each other, as when it is run as a script."""
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.mark.slow
def test_compare_runs(benchmarks, tmp_path, monkeypatch, capsys):
    """One round of minicnn alone gives the tables, the CSV file and the chart."""
    import compare

    monkeypatch.setattr(compare, "cores", lambda: 1)  # without trying several, it is quick
    options = ["--frameworks", "minicnn", "--networks", "lenet", "--rounds", "1"]
    status = compare.main([*options, "--out", str(tmp_path / "made" / "here")])
    said = capsys.readouterr()
    assert status == 0, said.err
    for title in ("ms per training step", "ms per inference batch", "MB, peak", "seconds"):
        assert f"| {title}" in said.out
    assert said.out.count("| minicnn ") == 4
    with (tmp_path / "made/here/compare.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"]: row["unit"] for row in rows} == {
        "training step": "ms",
        "inference batch": "ms",
        "peak memory": "MB",
        "peak memory above imports": "MB",
        "import": "s",
    }
    assert all(float(row["low"]) <= float(row["median"]) <= float(row["high"]) for row in rows)
    assert (tmp_path / "made/here/compare.png").read_bytes().startswith(b"\x89PNG")


def test_the_image_generator_is_measured(benchmarks, monkeypatch, capsys):
    """A row for each kind of change, with how many pictures a second there are."""
    import image_generator

    monkeypatch.setattr(image_generator, "SIZES", {8: 32})
    image_generator.main(["--rounds", "1"])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == len(image_generator.ARGUMENTS) + 2 * len(image_generator.FILES)
    assert all(float(row.split("|")[3].replace(",", "")) > 0 for row in rows)


@pytest.mark.slow
def test_pictures_are_timed(benchmarks, monkeypatch, capsys):
    """Each plot has its row, and one that is slower than allowed is named."""
    import pictures

    monkeypatch.setattr(pictures, "IMAGES", 60)
    monkeypatch.setattr(pictures, "ROUNDS", 1)
    assert pictures.main(["--classes", "3", "--slowest", "1e-9"]) == 1
    said = capsys.readouterr()
    from minicnn import plots

    for name in set(vars(plots)) - {"plot_layer_statistics"}:
        assert not name.startswith("plot_") or f"| {name}" in said.out
    assert "slower than 1e-09 s: plot_history, " in said.err


def test_a_loss_that_is_off_stops_it(benchmarks):
    """Losses may differ by a relative 1e-4; beyond that, the one that is off is named."""
    from compare import compare_losses
    from workers import BenchmarkError

    compare_losses("signs", {"minicnn": 1.8, "torch": 1.80001, "keras-jax": 1.79999})
    for wrong in (1.8004, float("nan")):
        with pytest.raises(
            BenchmarkError, match=r"^signs: .* weights PyTorch, NCHW finds [^,]*, but"
        ):
            compare_losses("signs", {"minicnn": 1.8, "torch": wrong, "keras-jax": 1.80001})
    with pytest.raises(BenchmarkError, match=r"minicnn finds 1.80.*, PyTorch, NCHW finds 1.90"):
        compare_losses("signs", {"minicnn": 1.8, "torch": 1.9})


def test_minicnn_is_measured_as_advised_and_as_found(benchmarks, monkeypatch):
    """Where OpenBLAS can do better there are two lines: with the advice, and as things are."""
    from frameworks import FRAMEWORKS
    from workers import environment

    from minicnn._parallel import blas

    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "512")
    monkeypatch.setattr(blas, "better_coretype", lambda: "SkylakeX")
    assert FRAMEWORKS["minicnn-as-found"].applies()
    advised, found = environment("minicnn", 1), environment("minicnn-as-found", 1)
    assert advised["OPENBLAS_CORETYPE"] == "SkylakeX"
    assert "OPENBLAS_L2_SIZE" not in advised
    assert (found["OPENBLAS_CORETYPE"], found["OPENBLAS_L2_SIZE"]) == ("Haswell", "512")

    monkeypatch.setattr(blas, "better_coretype", lambda: None)
    assert not FRAMEWORKS["minicnn-as-found"].applies()
    assert environment("minicnn", 1)["OPENBLAS_CORETYPE"] == "Haswell"


def test_a_mistake_is_one_line(tmp_path):
    """What cannot be measured is told in one line: here a folder that is a file."""
    (tmp_path / "file").touch()
    run = subprocess.run(
        [sys.executable, BENCHMARKS / "compare.py", "--out", tmp_path / "file"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("compare: ")
    assert run.stderr.count("\n") == 1
