"""Run one peer in a Python of its own, between markers: the other end of ``peers_arm.py``.

    python -S peer_process.py ENGINE FOLDER PRECISION [KEY=VALUE ...]

FOLDER has the plain file of the network, its input and the output to expect. Three pairs of markers
are executed: around opening the file, and around two inferences after one more. Only numpy and
the engine's package are imported, because seaformer is not installed there.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import mmap
import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Run = Callable[[], Any]
Output = Callable[[], Array]
_RET = 0xD65F03C0


def marker(number: int) -> Callable[[], object]:
    """A function that executes ``hint #number`` of an ARM core."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    words = (0xD503201F | number << 5, _RET)
    code.write(b"".join(word.to_bytes(4, "little") for word in words))
    call = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return lambda: (code, call())


def mnn(folder: Path, image: Array, precision: str, options: Sequence[str]) -> tuple[Run, Output]:
    package = importlib.import_module("MNN")
    interpreter = package.Interpreter(str(folder / "plain.mnn"))
    level = "low" if precision == "fp16" else "high"
    setup = {"numThread": 1, "backend": "CPU", "precision": level}
    session = interpreter.createSession(setup)
    kind = package.Tensor_DimensionType_Caffe
    host_input = package.Tensor(image.shape, package.Halide_Type_Float, image, kind)
    given = interpreter.getSessionInput(session)

    def run() -> None:
        given.copyFrom(host_input)  # an inference may reuse the memory of the input
        interpreter.runSession(session)

    def output() -> Array:
        result = interpreter.getSessionOutput(session)
        host = package.Tensor(result.getShape(), package.Halide_Type_Float, kind)
        result.copyToHostTensor(host)
        return np.array(host.getNumpyData())  # a copy: the memory is the tensor's

    return run, output


def openvino(
    folder: Path, image: Array, precision: str, options: Sequence[str]
) -> tuple[Run, Output]:
    package = importlib.import_module("openvino")
    hint = "f16" if precision == "fp16" else "f32"
    setup = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": hint}
    compiled = package.Core().compile_model(str(folder / "plain.onnx"), "CPU", setup)
    request = compiled.create_infer_request()
    request.set_tensor(compiled.input(0), package.Tensor(image))
    return request.infer, lambda: np.asarray(request.get_output_tensor(0).data)


def onnxruntime(
    folder: Path, image: Array, precision: str, options: Sequence[str]
) -> tuple[Run, Output]:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    package = importlib.import_module("onnxruntime")
    setup = package.SessionOptions()
    setup.intra_op_num_threads = 1
    source = folder / "plain.onnx"
    for option in options:
        key, _, value = option.partition("=")
        if key == "file":
            source = folder / value
        elif key == "write":
            setup.optimized_model_filepath = str(folder / value)
            setup.add_session_config_entry("session.save_model_format", "ORT")
        else:
            setup.add_session_config_entry(key, value)
    session = package.InferenceSession(str(source), setup, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: image}
    results: list[Array] = []

    def run() -> None:
        results[:] = session.run(None, feed)

    return run, lambda: results[0]


def armnn(folder: Path, image: Array, precision: str, options: Sequence[str]) -> tuple[Run, Output]:
    package = importlib.import_module("pyarmnn")
    parser = package.ITfLiteParser()
    network = parser.CreateNetworkFromBinaryFile(str(folder / "plain.tflite"))
    runtime = package.IRuntime(package.CreationOptions())
    half = package.OptimizerOptions(precision == "fp16", False)
    backends = [package.BackendId("CpuAcc")]
    optimised, _ = package.Optimize(network, backends, runtime.GetDeviceSpec(), half)
    loaded, _ = runtime.LoadNetwork(optimised)
    (given,), (asked,) = (
        parser.GetSubgraphInputTensorNames(0),
        parser.GetSubgraphOutputTensorNames(0),
    )
    inputs = package.make_input_tensors([parser.GetNetworkInputBindingInfo(0, given)], [image])
    outputs = package.make_output_tensors([parser.GetNetworkOutputBindingInfo(0, asked)])
    return (
        lambda: runtime.EnqueueWorkload(loaded, inputs, outputs),
        lambda: np.array(package.workload_tensors_to_ndarray(outputs)[0]),
    )


ENGINES = {"armnn": armnn, "mnn": mnn, "openvino": openvino, "onnxruntime": onnxruntime}


def main(name: str, folder: Path, precision: str, options: Sequence[str]) -> None:
    begin, end = marker(96), marker(97)
    image, expected = np.load(folder / "input.npy"), np.load(folder / "output.npy")
    begin()
    run, output = ENGINES[name](folder, image, precision, options)
    end()
    run()
    for _ in range(2):
        begin()
        run()
        end()
    answer = output().reshape(expected.shape)
    line = {
        "max_abs": float(np.abs(answer - expected).max()),
        "same": float((answer.argmax(1) == expected.argmax(1)).mean()),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    print(json.dumps(line), flush=True)
    os._exit(0)  # threads of an engine may outlive its objects


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
