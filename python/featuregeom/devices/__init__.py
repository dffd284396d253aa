"""What the core does, done by torch where the features are on a GPU: chunk by chunk, in the same arithmetic."""

from featuregeom.devices.frame import operator_on
from featuregeom.devices.measures import measures_on
from featuregeom.devices.null_sweep import null_sweep_on
from featuregeom.devices.tensors import DeviceRows, device_rows, on_gpu

__all__ = ["DeviceRows", "device_rows", "measures_on", "null_sweep_on", "on_gpu", "operator_on"]
__dir__ = __all__.copy
