"""ONNX Runtime as a function: named arrays in, named arrays out, on the CPU.

`graph.onnx` holds no weights. Its initializers are external data that ONNX Runtime reads from `model.safetensors`
beside it; their conversion from four bits or fp16 to fp32 is done once, while the session opens. That of a model which
`shares` another one's weights says of both files where they lie in the weights folder.
"""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bozzetto.errors import WeightsError
from bozzetto.runtime.graph import with_weights
from bozzetto.runtime.store import FIX, ModelFolder

Network = Callable[..., dict[str, np.ndarray]]


_most: int | None = None


def use_cores(most: int) -> None:
    """From now on, open networks for so many cores at most: this process is one of several here."""
    global _most
    _most = most


def cores() -> int:
    """How many this process may use, which in a container is fewer than the machine has."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return there if _most is None else min(there, _most)


def open_network(
    model: ModelFolder, graph: str = "graph.onnx", weights: Callable[[], Mapping[str, np.ndarray]] | None = None
) -> Network:
    """A function from a graph's inputs, as keywords, to a dict of its outputs. It may be called from several threads.

    weights: gives those, float32, that take the place of the model's own.
    The graph is opened by the first call, so that nobody waits for a network that is not asked; that call raises
    WeightsError when ONNX Runtime cannot read it.
    """
    lock, opened = threading.Lock(), list[Any]()

    def network(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        with lock:
            if not opened:
                opened.append(_open(model, graph, weights() if weights else {}))
        names = [output.name for output in opened[0].get_outputs()]
        return dict(zip(names, opened[0].run(names, inputs), strict=True))

    return network


def _open(model: ModelFolder, name: str, weights: Mapping[str, np.ndarray]) -> Any:
    import onnxruntime  # a tenth of a second, so only when a model is really used

    path, shares = model.path / name, "shares" in model.config
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    # Threads that wait in a busy loop double the processor time, and on a busy machine they hold up the work itself.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # make the weights float32 once, on opening
    options.log_severity_level = 4  # what goes wrong is raised below, and need not be printed as well
    graph = with_weights(path.read_bytes(), weights) if weights or shares else str(path)
    if weights or shares:  # a graph in memory does not know where its other weights lie
        folder = model.path.parent if shares else model.path
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no narrower base
        raise WeightsError(f"{path} cannot be opened by ONNX Runtime ({error}): {FIX}") from error
