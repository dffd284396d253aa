"""Commands under a limit of memory: each in a fork of one process that has imported everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PROGRAM = """
import gc, importlib, json, os, resource, sys, tempfile, traceback
from pathlib import Path

for name in {modules!r}:
    importlib.import_module(name)
if "torch" in sys.modules:
    sys.modules["torch"].set_num_threads(1)
import numpy as np
import scipy.linalg
from rich.console import Console
import featuregeom.__main__ as program
import featuregeom.cli.terminal as terminal
from featuregeom import _core


def held():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def command(folder, arguments, megabytes):
    os.chdir(folder)
    for number, name in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    terminal.output.file, terminal.messages.file = sys.stdout, sys.stderr
    sys.argv = ["featuregeom", *arguments]
    if {warm!r}:
        _core.frame_operator(np.ones((20000, 8)))
        np.ones((512, 512)) @ np.ones((512, 512))
        scipy.linalg.blas.dgemm(1.0, np.ones((512, 512)), np.ones((512, 512)))
    check = terminal.start_command

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (held() + int(megabytes * 2**20), resource.RLIM_INFINITY))

    def started():
        check()
        limit()

    if {early!r}:
        limit()
    else:
        terminal.start_command = started
    try:
        program.main()
    except SystemExit as end:
        return 0 if end.code is None else end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


for arguments, megabytes in json.loads(sys.stdin.read()):
    with tempfile.TemporaryDirectory(dir={folder!r}) as folder:
        child = os.fork()
        if not child:
            code = 71
            try:
                code = command(folder, arguments, megabytes)
                sys.stdout.flush(), sys.stderr.flush()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        left = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
        said = Path(folder, ".err").read_text()
        print(json.dumps([code, said, [name for name in left if name not in (".out", ".err")]]), flush=True)
"""

IMPORTS = (
    "numpy", "scipy.linalg", "scipy.special", "scipy.spatial", "scipy.optimize", "scipy.interpolate", "pandas",
    "pyarrow.parquet", "rich.progress", "jinja2", "pydantic", "typer._adapters", "featuregeom.survey",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it wrote to standard error, the files that it left."""

    arguments: list[str]
    megabytes: float
    code: int
    said: str
    left: list[str]

    def check(self, *, or_by_openblas: bool = False) -> None:
        """Assert that it ended well, or by one sentence that memory was missing, with nothing half-written.

        In a threaded product of NumPy, OpenBLAS ends the process in words of its own: let that pass only if told so.
        """
        assert self.code in (0, 1), self
        assert "Traceback" not in self.said, self
        assert not [name for name in self.left if name.endswith(".part")], self
        if or_by_openblas and self.said.rstrip().endswith("OpenBLAS: malloc failed in dsyrk_thread_LN"):
            return
        if self.code:
            lines = [line for line in self.said.splitlines() if line.startswith("error:")]
            assert len(lines) == 1, self
            assert lines == self.said.rstrip().splitlines()[-1:], self
            assert lines[0].startswith("error: not enough memory: "), self
            assert len(lines[0].split()) > 6, self


def run_under(
    cases: Sequence[tuple[Sequence[object], float]],
    folder: Path,
    modules: Sequence[str] = (),
    *,
    warm: bool = True,
    early: bool = False,
) -> list[Ended]:
    """Run commands, each with this many MiB more than the process holds once everything is imported.

    The limit holds once a command has seen that there is enough to start; if `early`, before.

    With `warm`, the work space of matrix products is there before the limit: NumPy's, SciPy's, the core's.
    """
    program = _PROGRAM.format(modules=(*IMPORTS, *modules), folder=str(folder), warm=warm, early=early)
    given = [([str(argument) for argument in arguments], megabytes) for arguments, megabytes in cases]
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(given), capture_output=True, text=True, timeout=550, check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [Ended(*case, *ended) for case, ended in zip(given, found, strict=True)]
