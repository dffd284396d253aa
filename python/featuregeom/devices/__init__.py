"""What the core does, done by torch where the features are on a GPU: chunk by chunk, in the same arithmetic."""

from featuregeom.devices.choice import MANY, gpu_for, on_gpu, room
from featuregeom.devices.frame import operator_on
from featuregeom.devices.measures import measures_on, shares_on
from featuregeom.devices.nearest import nearest_on
from featuregeom.devices.null_sweep import null_sweep_on
from featuregeom.devices.tensors import DeviceRows, device_rows, rows_at

__all__ = [
    "MANY",
    "DeviceRows",
    "device_rows",
    "gpu_for",
    "measures_on",
    "nearest_on",
    "null_sweep_on",
    "on_gpu",
    "operator_on",
    "room",
    "rows_at",
    "shares_on",
]
__dir__ = __all__.copy
