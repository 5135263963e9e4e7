"""`ssd serve`."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators
from pydantic import ValidationError

from ssd_keras.cli.options import Output, note, print_json
from ssd_keras.errors import InputError
from ssd_keras.inference.detector import load_detector, model_file
from ssd_keras.runtimes.detector import Precision
from ssd_keras.serving.settings import ServerSettings
from ssd_keras.training.recipe import what_is_wrong

if TYPE_CHECKING:
    import socket

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]
Settings = Annotated[ServerSettings, Parameter(name="*")]

SECRETS = {"token": "SSD_KERAS_TOKEN", "label_studio_token": "LABEL_STUDIO_TOKEN"}
"""What is better given in the environment, for everybody on a machine sees the flags of its processes."""


def serve(
    model: Path,
    /,
    *,
    host: str = "127.0.0.1",
    port: Port = 8000,
    settings: Settings | None = None,
    precision: Precision = "float32",
    log_requests: Annotated[bool, Parameter(negative="")] = False,
    output: Output | None = None,
) -> None:
    """Answer requests for detection over HTTP, until Ctrl-C or SIGTERM.

    POST /v1/detect takes images, / is a page for people, /docs says what else there is.

    Args:
        model: A .keras file, a run folder or an exported artefact.
        host: The address of this machine to listen at; 0.0.0.0: at all of them, for other machines too.
        port: The port to listen at; 0: any that is free.
        settings: Limits, and who may ask. The tokens may stand in the environment: SSD_KERAS_TOKEN,
            LABEL_STUDIO_TOKEN.
        precision: Precision of the computation: bfloat16 is for OpenVINO artefacts, where the processor has
            it.
        log_requests: Write a line for each request.
        output: How to print.
    """
    output = output or Output()
    chosen = with_secrets(settings or ServerSettings(), os.environ)
    model_file(model)  # what is wrong is said before Keras is loaded, which takes seconds
    name = model.resolve().name  # of a run its own, for each has a best.keras
    _import_libraries()
    from ssd_keras.serving.api import create_app
    from ssd_keras.serving.server import open_socket, run_server

    with ending_on_sigterm(), open_socket(host, port) as listening:
        if chosen.token is None and not is_loopback(host):
            note(f"anyone who reaches {host} may ask: set a token with SSD_KERAS_TOKEN or --token")
        app = create_app(load_detector(model, precision), chosen, name)
        run_server(app, listening, lambda: _announce(name, listening, output), log_requests)
    if not output.json:
        print("stopped")


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """End on SIGTERM while the model is loaded, too: the first process of a container would ignore it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def with_secrets(settings: ServerSettings, environment: Any) -> ServerSettings:
    """Take the secrets that no flag gives from the environment.

    Raises:
        InputError: one of them is no token, such as an empty one: nobody meant a server without.
    """
    found = {
        name: environment[variable]
        for name, variable in SECRETS.items()
        if getattr(settings, name) is None and variable in environment
    }
    if not found:
        return settings
    try:
        return ServerSettings(**{**settings.model_dump(), **found})
    except ValidationError as error:
        said = what_is_wrong(error).rpartition(": ")[2]
        name = str(error.errors()[0]["loc"][0])
        raise InputError(f"{SECRETS[name]}: {said}") from error


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _announce(name: str, listening: socket.socket, output: Output) -> None:
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if output.json:
        print_json({"model": name, "url": url})
    else:
        print(f"{name} answers at {url} (Ctrl-C stops it)")
    sys.stdout.flush()


def _import_libraries() -> None:
    try:
        for library in ("fastapi", "prometheus_client", "python_multipart", "uvicorn"):
            import_module(library)
    except ImportError as error:
        raise InputError(
            f"ssd serve needs {error.name}, which is not installed: pip install 'ssd-keras[serve]'"
        ) from error
