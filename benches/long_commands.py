"""Long commands, and the files that they read; `interrupts.py` stops them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import featuregeom as fg
from long_calls import normal, saved


def command_files() -> Path:
    """Write what the commands read."""
    folder = saved(6, 3000, 256)
    np.save(folder / "features.npy", normal(6000, 256))
    np.save(folder / "activations.npy", normal(200_000, 200))
    shapes = {"0.weight": (400, 2), "0.bias": (400,), "2.weight": (200, 400), "2.bias": (200,)}
    np.savez(folder / "network.npz", **{name: normal(*shape) for name, shape in shapes.items()})
    (folder / "sae").mkdir()
    (folder / "checkpoints").mkdir()
    for path in folder.glob("step*.npz"):
        path.rename(folder / "checkpoints" / path.name)
    np.savez(folder / "sae" / "sae.npz", W_enc=normal(128, 4000), W_dec=normal(4000, 128))
    fg.schemes.save_certificate(
        fg.schemes.certify(fg.schemes.detect(fg.shapes.johnson(16, 3))), folder / "c.json"
    )
    np.save(folder / "johnson.npy", fg.shapes.johnson(16, 3))
    return folder


COMMANDS = {
    name.split(",")[0]: name.split(",")[1]
    for name in (
        "analyze,analyze features.npy",
        "sae,sae sae",
        "families,families features.npy",
        "compare,compare checkpoints/step0.npz checkpoints/step1.npz",
        "trajectory,trajectory checkpoints",
        "scheme,scheme features.npy",
        "verify,verify c.json johnson.npy",
        "codes,codes activations.npy",
        "slice,regions slice network.npz --bounds=-9;9;-9;9",
        "along,regions along network.npz",
        "regions phase,regions phase",
        "toy saturation,toy saturation",
        "train-demo,train-demo",
        "demo,demo",
        "calibrate,calibrate",
    )
}
