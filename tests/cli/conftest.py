"""What tests of several commands share."""

import pytest

from ssd_keras.cli import main


@pytest.fixture
def call(capsys):
    """Run the command line; give its exit status, standard output and standard error."""

    def run_command(*words):
        capsys.readouterr()
        status = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return run_command
