"""Lay out what a Triton server needs in a run's scratch directory; runs to its end before the server starts."""

import argparse
import shutil
import sys
from pathlib import Path

_CONFIG = """\
backend: "python"
max_batch_size: 8
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
dynamic_batching {{ }}
input [ {inputs} ]
output [ {outputs} ]
"""
_TENSOR = '{{ name: "{}" data_type: TYPE_FP32 dims: [ {} ] }}'

_MODEL = '''\
"""Made by dashcam: a model that copies its inputs, or adds and subtracts them. It says nothing about a real one."""

import ctypes
import json

import numpy as np
import triton_python_backend_utils as pb

_USED = b"used_dltensor"


def _output(name, array):
    # Not pb.Tensor(name, array): this Triton reads NumPy 2 arrays wrong (old pybind11), DLPack is right with any NumPy.
    capsule = np.ascontiguousarray(array).__dlpack__()
    tensor = pb.Tensor.from_dlpack(name, capsule)
    # Triton takes the capsule over but names it as DLPack does not know; NumPy would complain of that in the log.
    ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(capsule), _USED)
    return tensor


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.inputs = [each["name"] for each in config["input"]]

    def execute(self, requests):
        responses = []
        for request in requests:
            arrays = [np.from_dlpack(pb.get_input_tensor_by_name(request, name)) for name in self.inputs]
            if len(arrays) == 2:
                arrays = [arrays[0] + arrays[1], arrays[0] - arrays[1]]
            else:
                arrays = [array.copy() for array in arrays]
            responses.append(pb.InferenceResponse([_output(f"OUTPUT{i}", each) for i, each in enumerate(arrays)]))
        return responses
'''

TINY = {"identity": (1, "-1"), "add_sub": (2, "16")}
"""Models of the tiny repository: how many inputs and outputs, and their dimensions without the batch."""


def main(argv: list[str]) -> int:
    """Make --scratch; in it the Python backend with the stub of this Python, and the tiny models where asked for."""
    parser = argparse.ArgumentParser(prog="triton_prepare")
    parser.add_argument("--scratch", required=True, type=Path)
    parser.add_argument("--wheel", type=Path, help="pytriton/tritonserver, where the server comes out of the wheel")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(argv)
    options.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)  # a box made it
    if options.wheel is not None:
        backend = options.scratch / "backends" / "python"
        shutil.copytree(options.wheel / "backends" / "python", backend, ignore=shutil.ignore_patterns("__pycache__"))
        # The server starts the stub that lies beside the backend, and each is made for one version of Python.
        stub = Path(shutil.copy(stub_of(options.wheel), backend))
        stub.chmod(0o700)
    if options.tiny:
        write_models(options.scratch / "models")
    return 0


def stub_of(wheel: Path) -> Path:
    """Return the wheel's stub for this version of Python, whether it is there or not."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return wheel / "python_backend_stubs" / version / "triton_python_backend_stub"


def write_models(repository: Path) -> None:
    """Write the models of `TINY`."""
    for name, (count, dims) in TINY.items():
        version = repository / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(_MODEL)
        tensors = {
            side: ", ".join(_TENSOR.format(f"{side.upper()}{index}", dims) for index in range(count))
            for side in ("input", "output")
        }
        config = _CONFIG.format(inputs=tensors["input"], outputs=tensors["output"])
        (repository / name / "config.pbtxt").write_text(config)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
