"""`ssd doctor`."""

from __future__ import annotations

import importlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import ssd_keras
from ssd_keras.backend import choose_backend, import_keras_quietly
from ssd_keras.cli.options import Output, print_json


class Library(NamedTuple):
    """A library that may be there.

    Attributes:
        purpose: what it is for.
        distributions: names under which pip may have installed it.
        install: what pip is to install to get it.
    """

    purpose: str
    distributions: tuple[str, ...]
    install: str


BACKENDS = {
    "tensorflow": Library(
        "backend, fastest on a CPU", ("tensorflow", "tensorflow-cpu"), '"ssd-keras[tensorflow]"'
    ),
    "jax": Library("backend, for GPUs", ("jax",), '"ssd-keras[jax]" "jax[cuda12]"'),
    "torch": Library("backend, for those with PyTorch", ("torch",), '"ssd-keras[torch]"'),
}
OTHERS = (
    Library("run exports to ONNX", ("onnxruntime", "onnxruntime-gpu"), '"ssd-keras[onnx]"'),
    Library("make exports to ONNX and OpenVINO", ("tf2onnx",), '"ssd-keras[tensorflow,onnx]"'),
    Library("run exports to OpenVINO", ("openvino",), '"ssd-keras[openvino]"'),
    Library("int8 for OpenVINO", ("nncf",), '"ssd-keras[openvino]"'),
    Library("run exports to LiteRT", ("ai-edge-litert",), '"ssd-keras[litert]"'),
    Library("ssd serve", ("fastapi",), '"ssd-keras[serve]"'),
    Library("ssd detect --engine ray", ("ray",), '"ssd-keras[ray]"'),
    Library("TensorBoard's log of a run", ("tensorboard",), '"ssd-keras[tensorboard]"'),
    Library("Detections.to_supervision()", ("supervision",), "supervision"),
)


def doctor(*, output: Output | None = None) -> None:
    """Say what is installed, which backend and device would be used, and what to install for what.

    Args:
        output: How to print.
    """
    output = output or Output()
    found = examination()
    if output.json:
        print_json(found)
        return
    print(
        f"ssd-keras {found['version']}, Python {found['python']}, {found['system']}, {found['cores']} cores"
    )
    print(_of_backend(found))
    table = Table("for", "library", "installed", "pip install")
    for row in found["libraries"]:
        table.add_row(row["for"], row["library"], row["installed"] or "no", row["install"] or "")
    Console().print(table)


def examination() -> dict[str, Any]:
    """Give what `--json` prints."""
    backend = choose_backend()
    usable, fault, devices = _tried(backend)
    return {
        "version": ssd_keras.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "backend": backend,
        "usable": usable,
        "fault": fault,
        "devices": devices,
        "libraries": [_row(library) for library in (*BACKENDS.values(), *OTHERS)],
    }


def _tried(backend: str) -> tuple[bool, str | None, list[str]]:
    """Load Keras with its backend: whether that works, what is wrong, and the devices it sees."""
    try:
        import_keras_quietly()
        keras = importlib.import_module("keras")
        return True, None, [str(device) for device in keras.distribution.list_devices()]
    except Exception as error:  # whatever a half-installed backend raises
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return False, said[:200], []


def _of_backend(found: dict[str, Any]) -> str:
    name = found["backend"]
    if found["usable"]:
        return f"backend {name} on {', '.join(found['devices']) or 'its default device'}"
    advice = f"pip install {BACKENDS[name].install}" if name in BACKENDS else "correct KERAS_BACKEND"
    return f"backend {name} cannot be used ({found['fault']}): {advice}"


def _row(library: Library) -> dict[str, Any]:
    name, installed = _installed(library)
    return {
        "for": library.purpose,
        "library": name,
        "installed": installed,
        "install": None if installed else library.install,
    }


def _installed(library: Library) -> tuple[str, str | None]:
    """Give the name and version of what is installed of a library, or its usual name and None."""
    for name in library.distributions:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return library.distributions[0], None
