"""The benchmark runs, and stops when what it compares is not the same."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn import applications

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
    titles = ("training step", "inference batch", "single image")
    for title in (*(f"ms per {one}" for one in titles), "MB, peak", "seconds"):
        assert f"| {title}" in said.out
    assert said.out.count("| minicnn ") == 5
    with (tmp_path / "made/here/compare.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"]: row["unit"] for row in rows} == {
        "training step": "ms",
        "inference batch": "ms",
        "single image": "ms",
        "peak memory": "MB",
        "peak memory above imports": "MB",
        "import": "s",
    }
    assert all(float(row["low"]) <= float(row["median"]) <= float(row["high"]) for row in rows)
    kernels = f"minicnn {minicnn.__version__}, {minicnn.Sequential().kernels}"
    assert kernels in said.out
    assert all(row["version"].startswith(kernels) for row in rows if row["quantity"] != "import")
    assert (tmp_path / "made/here/compare.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["small", "resnet20", "mobilenet"])
def test_the_networks_are_those_of_the_applications(benchmarks, name):
    """The same layers, each as often: what is written as data for all is what minicnn ships."""
    import frameworks
    import networks

    def layers(model):
        found = []
        for node in model.nodes:
            config = node.layer.get_config()
            kept = {key: config[key] for key in config if "initializer" not in key}
            kept |= {"name": "", "activation": "", "shape": node.shape}
            found.append((type(node.layer).__name__, repr(kept)))
        return sorted(found)

    framework = frameworks.MiniCNN(1)
    framework.build(networks.NETWORKS[name])
    shipped = getattr(applications, name)((64, 64, 3), 6, seed=0)
    expected = [layer for layer in layers(shipped) if layer[0] != "Rescaling"]
    assert layers(framework.model) == expected


def test_tables_of_six_networks_fit_a_terminal(benchmarks):
    """Three networks a table: no line is longer than 100 characters, and each figure is there."""
    from framework import INFERENCE, LATENCY, STEP
    from frameworks import FRAMEWORKS
    from networks import NETWORKS
    from report import Figure, tables

    figures = [
        Figure(key, network, quantity, 2, 1234.0, 1111.0, 2345.0, "ms")
        for quantity in (STEP, INFERENCE, LATENCY)
        for key, framework in FRAMEWORKS.items()
        for network in framework.networks
        if quantity in framework.quantities
    ]
    lines = tables(figures, list(NETWORKS)).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.count("1234 (1111-2345), 2") for line in lines) == len(figures)
    ratios = [line.split("|")[1].strip() for line in lines if "x**" in line]
    assert ratios.count("best peer / minicnn") == 6
    assert ratios.count("onnxruntime / minicnn") == 4
    assert ratios.count("notebook / script") == 2


@pytest.mark.slow
def test_a_notebook_s_kernel_does_the_same(benchmarks):
    """The same losses as in a process, one line for a mistake, and an end."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from workers import BenchmarkError, Kernel, Worker

    found = []
    for start, key in ((Kernel, "minicnn-in-notebook"), (Worker, "minicnn")):
        with start(key, 1) as process:
            process.ask("build", network="small", dropout=False)
            process.ask("load", images=8)
            found.append(process.ask("losses"))
            with pytest.raises(BenchmarkError, match=r"^minicnn.*KeyError: 'none'$"):
                process.ask("build", network="none")
    assert found[0] == found[1]


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


@pytest.mark.slow
def test_how_the_time_grows_is_drawn(benchmarks, tmp_path, monkeypatch):
    """A row for each point, a picture of them, and no points beyond one that takes too long."""
    import scaling

    monkeypatch.setattr(scaling, "cores", lambda: 1)
    monkeypatch.setattr(scaling, "CONTESTANTS", ("minicnn", "minicnn-vectorized"))
    monkeypatch.setattr(
        scaling, "SWEEPS", {"batch": [(1, 16), (2, 16)], "side": [(1, 16), (1, 32)]}
    )
    table, picture = tmp_path / "scaling.csv", tmp_path / "scaling.png"
    options = ["--csv", str(table), "--picture", str(picture)]
    assert scaling.main(options) == 0
    points = scaling.read(table)
    assert len(points) == 2 * 2 * 2 * 2
    assert all(point.milliseconds > 0 for point in points)
    assert {scaling.name(point) for point in points} == {minicnn.Sequential().kernels, "vectorized"}
    assert picture.read_bytes().startswith(b"\x89PNG")

    monkeypatch.setattr(scaling, "MOST_SECONDS", 1e-9)
    assert {point.batch for point in scaling.measure_sweep("minicnn", 1, "batch")} == {1}


@pytest.mark.slow
def test_the_three_kernel_sets_are_timed(benchmarks, monkeypatch, capsys):
    """A row for each pass of each convolution, in which the results of the three agree."""
    import three_ways

    monkeypatch.setattr(
        three_ways, "CASES", {"a small one": ((5, 6, 2), (3, 3, 2, 4), ((1, 1), (1, 1)))}
    )
    if three_ways.main([]):
        pytest.skip("no C compiler")
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [row[1].strip() for row in rows] == ["a small one, forward", "a small one, backward"]
    assert all(float(row[6]) < 1e-5 for row in rows)


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


@pytest.mark.slow
def test_folders_are_measured(benchmarks, capsys):
    """A row for each kind of file and of pass."""
    import folders

    folders.main(["--pictures", "40", "--rounds", "1", "--train"])
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 + 5 * len(folders.KINDS)
    assert all(row.endswith(" | 1.00 |") for row in rows[2:])
