"""The kernels of a device by its name; torch is imported only if one of its devices is requested."""

from __future__ import annotations

from embgeo.errors import InputError
from embgeo.space.kernels import Kernels, NumpyKernels


def kernels(device: str = "cpu") -> Kernels:
    """The kernels of a device: "cpu" is NumPy, "torch" is torch on the CPU (for tests), "cuda[:i]" torch on a GPU."""
    if device == "cpu":
        return NumpyKernels()
    if device == "torch" or device.startswith("cuda"):
        from embgeo.space.torch_kernels import TorchKernels

        return TorchKernels("cpu" if device == "torch" else device)
    raise InputError(f"device must be cpu, cuda or cuda:N; got {device!r}")
