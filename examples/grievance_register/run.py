"""Start the detector and the register together: python run.py MODEL [--folder register] [--port 8080].

Both stop with Ctrl-C or SIGTERM. If the detector alone stops, it is started again; reports wait for it.
"""

import argparse
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import uvicorn
from pydantic import SecretStr, ValidationError

from grievances.app import create_app
from grievances.contracts import in_one_line
from grievances.settings import Settings

STAFF_TOKEN = "GRIEVANCE_STAFF_TOKEN"
MOST_PORT = 65535
SECONDS_TO_STOP = 20
SECONDS_TO_RESTART = 5
SECONDS_OF_A_START = 60
"""A detector that ends itself within these is started wrongly: with a file that is no model, for example."""


class DetectorProcess:
    """`ssd serve` on a port of this machine that nobody else uses, with a token that nobody else knows.

    It runs inside of a `with` block. If it ends by itself it is started again, unless that cannot help.
    """

    def __init__(self, model: Path) -> None:
        self.token = secrets.token_urlsafe()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        serve = [
            sys.executable,
            str(Path(__file__).with_name("detector.py")),
            str(model),
            "--port",
            str(port),
        ]
        self._command = [*serve, "--stop-limit", str(SECONDS_TO_STOP // 2)]
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self.cannot_start = False

    def __enter__(self) -> "DetectorProcess":
        self._start()
        threading.Thread(target=self._keep_running, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Let it finish what it took, and end it."""
        with self._lock:
            self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        with self._lock:
            if not self._stopping.is_set():
                self._started = time.monotonic()
                self._process = subprocess.Popen(
                    self._command,
                    env={**os.environ, "SSD_KERAS_TOKEN": self.token},
                    stdin=subprocess.PIPE,  # never written to: it is closed when this process ends
                )

    def _keep_running(self) -> None:
        while True:
            status = self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            if self._stopping.is_set():
                return
            if status in (1, 2) and time.monotonic() - self._started < SECONDS_OF_A_START:
                self.cannot_start = True  # it has said why
                os.kill(os.getpid(), signal.SIGTERM)
                return
            print(f"the detector ended with status {status}: it is started again", file=sys.stderr)
            if self._stopping.wait(SECONDS_TO_RESTART):
                return
            self._start()


def free_port() -> int:
    """Give a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bound_socket(host: str, port: int) -> socket.socket:
    """Give a socket that has the port already: an address that is told is one that answers.

    Raises:
        ValueError: there is no such host or port, or another program has it.
    """
    if not 0 <= port <= MOST_PORT:
        raise ValueError(f"--port {port}: choose one from 0, any that is free, to {MOST_PORT}")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{host}, port {port}: {reason}: choose another --host or --port") from error


def address_of(listening: socket.socket) -> str:
    """Give the URL at which a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def main() -> int:
    """Run until a signal comes: the exit status."""
    options = _options()
    # As Ctrl-C; uvicorn takes both signals while it runs, and hands them on when it is done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    detector = DetectorProcess(options.model)
    try:
        settings = _settings(options, detector)
        server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
        with bound_socket(options.host, options.port) as listening, detector:
            _tell(address_of(listening), settings)
            server.run([listening])
    except ValidationError as error:
        print(f"{in_one_line(error.errors())} (the token is {STAFF_TOKEN})", file=sys.stderr)
        return 1
    except (ValueError, OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    print("stopped; what was reported is kept", file=sys.stderr)
    return int(detector.cannot_start)


def _settings(options: argparse.Namespace, detector: DetectorProcess) -> Settings:
    return Settings(
        folder=options.folder,
        detector_url=detector.url,
        detector_token=SecretStr(detector.token),
        staff_token=SecretStr(os.environ.get(STAFF_TOKEN) or secrets.token_urlsafe(18)),
        threshold=options.threshold,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a .keras file, a run folder, or an exported detector")
    parser.add_argument("--folder", type=Path, default=Path("register"), help="where register.sqlite lies")
    parser.add_argument("--threshold", type=float, default=0.5, help="of the scores that are kept")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    return parser.parse_args()


def _tell(address: str, settings: Settings) -> None:
    print(f"citizens report at  {address}/")
    print(f"staff log in at     {address}/staff")
    if not os.environ.get(STAFF_TOKEN):
        token = settings.staff_token.get_secret_value()
        print(f"staff token         {token}  (of this start only; {STAFF_TOKEN} sets one that stays)")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
