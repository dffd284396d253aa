"""Build the wheel and the source distribution, and try each where there is no compiler: `make wheel`.

Each gets a virtual environment of its own with nothing else in it, and a PATH that has neither cargo nor a C compiler.
A source distribution is compiled code only after somebody compiled it: so its wheel is built first, by pip, with cargo
at hand as its reader would have it, and that wheel is what is tried without one.

    python tests/wheels.py build [--out dist] [--zig]    both, and try them
    python tests/wheels.py try WHEEL [WHEEL ...]         wheels that are there
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SMOKE = Path(__file__).with_name("wheel_smoke.py")

MANYLINUX = "manylinux2014"
"""glibc 2.17, the oldest that Rust's own standard library runs on."""

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def call(*command: str | Path, **options: object) -> None:
    """Run a command that has to succeed, and show it."""
    print("$", " ".join(map(str, command)), flush=True)
    subprocess.run([str(part) for part in command], check=True, **options)  # type: ignore[call-overload]


def build(out: Path, *, zig: bool) -> list[Path]:
    """Make both anew in `out`; give the wheel, and the wheel that pip made of the source distribution."""
    out.mkdir(parents=True, exist_ok=True)
    for old in [*out.glob("featuregeom-*.whl"), *out.glob("featuregeom-*.tar.gz")]:
        old.unlink()
    maturin = [sys.executable, "-m", "maturin"]
    portable = ["--zig", "--compatibility", MANYLINUX] if zig else []
    # maturin asks the first python3 that it finds for zig: it has to be this one.
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    }
    command = [*maturin, "build", "--release", "--locked", "--out", out, "-i", sys.executable, *portable]
    call(*command, env=environment, cwd=ROOT)
    call(*maturin, "sdist", "--out", out, cwd=ROOT)
    (wheel,), (source,) = out.glob("featuregeom-*.whl"), out.glob("featuregeom-*.tar.gz")
    check_wheel(wheel, portable=zig)
    # Packages that both need are compiled once.
    environment |= {"CARGO_TARGET_DIR": str(ROOT / "target" / "from-source")}
    compiled = out / "from-source"
    shutil.rmtree(compiled, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", compiled]
    call(*pip, source, env=environment, cwd=out)
    return [wheel, *compiled.glob("featuregeom-*.whl")]


def check_wheel(wheel: Path, *, portable: bool) -> None:
    """Hold the wheel's name and files against what was to be built."""
    tags = wheel.stem.split("-")[2:]
    if not FREE_THREADED and tags[1] != "abi3":
        raise SystemExit(f"{wheel.name} is for one version of Python, not for all from 3.11 on (abi3)")
    if portable and "manylinux" not in tags[2]:
        raise SystemExit(f"{wheel.name} is for this machine's C library alone")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for wanted in ("py.typed", "_core.pyi", "demo_models.safetensors"):
        if f"featuregeom/{wanted}" not in names:
            raise SystemExit(f"{wheel.name} lacks {wanted}")


def try_wheel(wheel: Path) -> None:
    """Install a wheel into an empty environment that has no compiler, and use it there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        call(sys.executable, "-m", "venv", folder / "venv")
        scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        # Nothing of this shell but what programs cannot start without.
        kept = (
            "SYSTEMROOT",
            "TEMP",
            "TMP",
            "TMPDIR",
            "PIP_INDEX_URL",
            "PIP_CACHE_DIR",
            "PIP_CONFIG_FILE",
            "HOME",
        )
        environment = {key: os.environ[key] for key in kept if key in os.environ} | {"PATH": str(scripts)}
        for tool in ("cargo", "cc", "gcc", "clang", "cl"):
            if found := shutil.which(tool, path=environment["PATH"]):
                raise SystemExit(f"{found} is a compiler, and none was to be there")
        python = scripts / ("python.exe" if os.name == "nt" else "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        call(*pip, "--only-binary", ":all:", wheel.resolve(), env=environment, cwd=folder)
        call(python, "-I", SMOKE, folder, env=environment, cwd=folder)
    print(f"{wheel.name} works in an empty environment", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build")
    building.add_argument("--out", type=Path, default=ROOT / "dist")
    building.add_argument(
        "--zig", action="store_true", help="for any Linux since glibc 2.17, by zig's linker"
    )
    trying = commands.add_parser("try")
    trying.add_argument("wheels", type=Path, nargs="+")
    options = parser.parse_args()
    for wheel in (
        options.wheels if options.command == "try" else build(options.out.resolve(), zig=options.zig)
    ):
        try_wheel(wheel)


if __name__ == "__main__":
    main()
