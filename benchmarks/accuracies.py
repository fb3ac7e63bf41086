"""What README's accuracies are on other processors: each command under every BLAS kernel.

    python benchmarks/accuracies.py --data datasets

Rounding differs from one processor to another, and a training makes much of little. OpenBLAS and
NumPy can be told to compute as for older processors, and the number of threads changes sums too.
``--data`` names the folder with the files of sign digits and of cats; what is missing is left out.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIGNS = ["--train", "train_signdigits.h5", "--test", "test_signdigits.h5"]

RUNS = {
    "fingers": ("", ["-m", "minicnn", "train"]),
    "sign digits": ("train_signdigits.h5", ["examples/train_signs.py", *SIGNS]),
    "sign digits, resnet20": (
        "train_signdigits.h5",
        ["examples/train_signs.py", *SIGNS, "--model", "resnet20", "--epochs", "20"],
    ),
    "cats": ("train_catvnoncat.h5", ["examples/train_cats.py"]),
}
"""The file that each run needs, and what Python is given."""

ACCURACY = re.compile(r"test accuracy:? (0\.\d+|1\.0+)", re.IGNORECASE)


def settings():
    """Environments that make the same arithmetic round otherwise, by name."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    vectors = " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
    found = {"as found": {}, "one thread": {"OMP_NUM_THREADS": "1"}}
    found |= {name: {"OPENBLAS_CORETYPE": name} for name in ("Nehalem", "Haswell")}
    if __cpu_features__.get("AVX512F"):
        found["SkylakeX"] = {"OPENBLAS_CORETYPE": "SkylakeX"}
    found["NumPy's baseline"] = {"NPY_DISABLE_CPU_FEATURES": vectors}
    return found


def main():
    """Print the accuracies under each setting, and a line of ranges for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("datasets"))
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    options = parser.parse_args()
    for run in options.runs:
        file, command = RUNS[run]
        if not (options.data / file).exists():
            print(f"{run}: left out, {options.data / file} is missing.")
            continue
        single, means = [], []
        for name, variables in settings().items():
            seen = accuracies(command, options.data.resolve() if file else None, variables)
            print(f"  {run}, {name}: {' '.join(f'{one:.3f}' for one in seen)}", flush=True)
            single += seen
            means.append(sum(seen) / len(seen))
        print(
            f"{run}: {min(single):.3f} to {max(single):.3f}; means over seeds {min(means):.3f} to "
            f"{max(means):.3f}",
            flush=True,
        )


def accuracies(command, data, variables):
    """Those of one run of the command, a seed after the other."""
    first, *rest = command
    command = [sys.executable, ROOT / first if first.endswith(".py") else first, *rest]
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(
            [*command, *(["--data", data] if data else [])],
            cwd=folder,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout
    return [float(found) for found in ACCURACY.findall(re.sub(r"mean test accuracy.*", "", said))]


if __name__ == "__main__":
    main()
