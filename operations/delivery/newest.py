"""Tell whether a newer commit has replaced the one that is to be delivered.

CI systems run what waits for an approval whenever it comes, and a run of last week can be started again with a click.
"""

from __future__ import annotations

import subprocess

from operations.errors import OperationError
from operations.pulumi import ROOT


def why_superseded(branch: str) -> str:
    """Return why this checkout is not the newest commit of `branch`, empty when it is or no branch is named."""
    if not branch:
        return ""
    here = _git("rev-parse", "HEAD")
    newest = _git("ls-remote", "--exit-code", "origin", f"refs/heads/{branch}").partition("\t")[0]
    if here == newest:
        return ""
    return (
        f"This is commit {here[:12]}, and {branch} is at {newest[:12]}: a newer run delivers that one. To go back to "
        "an older version, revert on the branch."
    )


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        # A remote's address can hold a token.
        raise OperationError(f"DELIVER_BRANCH: `git {arguments[0]}` failed with status {done.returncode}")
    return done.stdout.strip()
