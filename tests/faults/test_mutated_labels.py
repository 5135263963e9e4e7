"""Ten thousand damaged label files: each gives a reading or one clear error, and nothing else.

`SSD_KERAS_FUZZ=1500` sets the number of damaged data sets of each format. Shown again is one of them by

    PYTHONPATH=tests python -W error -m faults.reading_mutated FORMAT CASE 1 EMPTY_FOLDER
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.mutations import Mutator
from faults.small_data import VARIANTS, WORDS

from ssd_keras.data.formats import FORMATS

CASES = int(os.environ.get("SSD_KERAS_FUZZ", "300"))
ALL_CASES = 1500
"""Of each of the seven formats; together more than ten thousand."""
MOST_SECONDS = 1800
TESTS = Path(__file__).parents[1]


def read_mutated(name, first, count, folder):
    """Read damaged data sets in a process of its own, which may crash, hang, or be run over by a bomb."""
    command = [sys.executable, "-W", "error", "-m", "faults.reading_mutated", name, str(first), str(count)]
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [*command, str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=MOST_SECONDS,
        env=environment,
        check=False,
    )
    case = folder / "case"
    number = case.read_text() if case.exists() else "none"
    assert done.returncode == 0, f"{name}: the process ended in case {number}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


def check(name, first, count, folder):
    found = read_mutated(name, first, count, folder)
    faults = [f"{name} {case}: {fault}" for case, fault in found["faults"]]
    assert not faults, "\n".join(faults[:5])
    assert found["cases"] == count
    # Damage that leaves nothing to read, or that nothing notices, would test nothing.
    assert count < 100 or 0 < found["read"] < count


def test_every_format_is_damaged():
    assert VARIANTS.keys() == WORDS.keys() == {known.name for known in FORMATS}


def test_a_seed_gives_the_same_damage_again():
    content = b'{"images": [{"id": 12, "file_name": "0001.jpg"}]}' * 20
    once, again = ([Mutator(f"{i}", WORDS["coco"]).mutated(content) for i in range(200)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 100


@pytest.mark.parametrize(
    "harm",
    [
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "open(outside, 'w')",
        "open(Path(inside).parent.with_name('unfinished-other'), 'w')",
        "import pathlib; pathlib.Path(outside).unlink()",
        "import os; os.rename(inside, outside)",
    ],
)
def test_the_guard_sees_harm(harm, tmp_path):
    """What watches over the readings has to see what it is there for."""
    lines = [
        f"inside, outside = {str(tmp_path / 'out' / 'a')!r}, {str(tmp_path / 'b')!r}",
        "from pathlib import Path",
        "from faults.reading_mutated import Fault, Guard",
        "with Guard().watching(Path(inside).parent):",
        "    Path(inside).parent.mkdir()",
        "    Path(inside).touch()",
        "    try:",
        f"        {harm}",
        "    except Fault:",
        "        print('seen')",
    ]
    (tmp_path / "b").touch()
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert done.stdout == "seen\n", done.stderr


@pytest.mark.parametrize("name", VARIANTS)
def test_damaged_labels_give_a_reading_or_one_clear_error(name, tmp_path):
    check(name, 0, CASES, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_ten_thousand_damaged_label_files(name, tmp_path):
    check(name, 0, ALL_CASES, tmp_path)
