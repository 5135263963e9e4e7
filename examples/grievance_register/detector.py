"""`ssd serve` that ends with what started it: python detector.py MODEL [options of ssd serve].

Its standard input is a pipe whose other end `run.py` holds open; the system closes it even after SIGKILL.
"""

import os
import signal
import sys
import threading

from ssd_keras.cli import main


def end_with_the_starter() -> None:
    """Wait until the pipe is closed; then stop as if asked to."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_starter, daemon=True).start()
    sys.exit(main(["serve", *sys.argv[1:]]))
