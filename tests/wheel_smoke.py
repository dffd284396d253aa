"""What an installed wheel has to do, in an environment that holds it and its dependencies alone.

`python -I wheel_smoke.py FOLDER`: everything is written into the folder. Uses no test package.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import featuregeom as fg
from featuregeom import _core


def main(folder: Path) -> None:
    """Import, measure, analyse by the command, and stop with an assertion where anything is wrong."""
    prefix = Path(sys.prefix).resolve()
    assert prefix in Path(_core.__file__).resolve().parents, _core.__file__
    assert _core.__version__ == fg.__version__
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        # An extension that does not declare it switches the lock on again.
        assert not sys._is_gil_enabled(), "importing featuregeom switched the global lock on"

    # Three unit vectors at 120 degrees: F = 3/2, one eigenspace, each has a capacity of 2/3.
    angles = 2 * np.pi * np.arange(3) / 3
    triangle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert np.abs(fg.frames.frame_operator(triangle) - 1.5 * np.eye(2)).max() < 1e-15
    assert np.abs(fg.frames.capacity(triangle) - 2 / 3).max() < 1e-15
    assert fg.schemes.detect(gram=triangle @ triangle.T).name == "triangle"

    # The best instructions of this processor and the plainest ones, in threads at once.
    X = np.random.default_rng(0).standard_normal((3000, 96)).astype(np.float32)
    wide = X.astype(np.float64)
    with ThreadPoolExecutor(4) as threads:
        for F in threads.map(fg.frames.frame_operator, [X] * 4):
            assert np.abs(F - wide.T @ wide).max() < 1e-9
    plain = "import numpy as np, featuregeom as fg; print(fg.frames.frame_operator(np.ones((5, 3)))[0, 0])"
    environment = {"FEATUREGEOM_SIMD": "scalar"}
    assert run(sys.executable, "-I", "-c", plain, environment=environment).strip() == "5.0"

    np.save(folder / "triangle.npy", np.kron(np.eye(5), triangle))
    command = Path(sys.executable).with_name("featuregeom")
    assert fg.__version__ in run(command, "--version")
    run(command, "analyze", folder / "triangle.npy", "--out", folder / "out")
    blocks = fg.load(folder / "out").blocks
    assert list(blocks["geometry"]) == ["triangle"] * 5, blocks
    assert (folder / "out" / "report.html").stat().st_size > 10_000
    print("featuregeom", fg.__version__, "on Python", sys.version.split()[0], "works")


def run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed, and give what it prints."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=os.environ | (environment or {}),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
