"""Files that are made at the same time take turns at the database."""

from __future__ import annotations

import subprocess
import sys

# Each writes a capital when it begins a piece of work and a small letter when it has done it; `c` is killed at work.
SCRIPT = """
import os, signal, time
from geoserver.formats import turns

turns._AT_ONCE = 1
turns.prepare()

def work(name, pieces):
    turn = turns.Turn()
    for _ in range(pieces):
        turn.pass_on()
        os.write(1, name.upper().encode())
        time.sleep(0.06)
        if name == "c":
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(1, name.encode())
    turn.give_back()
    os._exit(0)

for name in "abc":
    if os.fork() == 0:
        work(name, 6)
for _ in "abc":
    os.wait()
"""


def test_one_works_at_a_time_all_come_to_their_end_and_a_killed_one_keeps_no_turn() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert done.count("C") == 1
    assert "c" not in done
    pieces = done.replace("C", "")
    assert sorted(pieces) == sorted("AaBb" * 6)
    for begun, ended in zip(pieces[::2], pieces[1::2], strict=True):
        assert (begun.lower(), begun.isupper()) == (ended, True), done
