"""requirements.txt, which `pulumi install` reads, says what uv.lock says."""

from __future__ import annotations

import os
import shutil
import subprocess

from embedded.instance import cache_folder
from embedded.stack import PROJECT

EXPORT = ("uv", "export", "--frozen", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header")


def test_it_is_current() -> None:
    path = os.pathsep.join([os.environ["PATH"], str(cache_folder() / "tools/bin")])
    program = shutil.which("uv", path=path)
    assert program
    done = subprocess.run([program, *EXPORT[1:]], cwd=PROJECT, capture_output=True, text=True, check=True)
    expected = (PROJECT / "requirements.txt").read_text()
    assert done.stdout == expected, f"write it anew: {' '.join(EXPORT)} >requirements.txt"
