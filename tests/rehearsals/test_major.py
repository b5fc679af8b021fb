"""PostgreSQL goes to a newer major version in place, after a refusal, and nothing that was acknowledged is lost."""

from __future__ import annotations

import re
import shlex

import pytest

from embedded.errors import EmbeddedError
from tests.e2e.steps import assert_nothing_to_do, configure, fails
from tests.e2e.views import Site
from tests.e2e.waits import ROLLOUT, kubectl_timeout
from tests.rehearsals import report
from tests.rehearsals.majors.image import NEWER, OLDER
from tests.rehearsals.majors.upgrading import both_versions
from tests.rehearsals.platforms import DATABASE, Fault, Platform
from tests.rehearsals.recipients import recipient
from tests.rehearsals.rehearsing import rehearse

__all__ = ["recipient"]  # a fixture that pytest finds here

# A column of a type that names functions by numbers, which differ between versions, so pg_upgrade refuses it.
# It lies beside Infisical's own schema, which the backup before the change reads as a whole.
REFUSED = "create schema apart; create table apart.refused (function regproc)"


def test_the_data_goes_to_a_newer_version(platform: Platform, site: Site, recipient: str) -> None:
    with both_versions(platform) as image:
        backup = {"image": image, "target": {"kind": "volume", "size": "1Gi"}, "recipients": [recipient]}
        configure(platform.stack, backup=backup)
        platform.stack.run("up", "--yes", "--skip-preview", quiet=True)
        assert _version(platform) == OLDER
        _refused(platform, site, backup)
        _upgraded(platform, site)
        _backed_up(platform)
        _no_way_back(platform, backup)


def _refused(platform: Platform, site: Site, backup: dict[str, object]) -> None:
    """Have pg_upgrade refuse it: `up` ends with the cause and a command, and clients have seen nothing of it."""
    platform.sql(platform.primary(), REFUSED)
    configure(platform.stack, database={"version": NEWER}, backup=backup)
    said = fails(platform.stack)
    assert f"the upgrade to PostgreSQL {NEWER} failed" in said, said
    assert _version(platform) == OLDER
    site.status()
    platform.sql(platform.primary(), "drop schema apart cascade")
    again = re.search(r"kubectl (--namespace \S+ annotate postgresql \S+ \S+-)", said)
    assert again, said
    platform.kubectl(*shlex.split(again[1]))


def _upgraded(platform: Platform, site: Site) -> None:
    rehearse("major", Fault(says=report.APART["major"], happens=_to_newer, limit=ROLLOUT), platform, site)
    assert_nothing_to_do(platform.stack)
    platform.await_streaming(1)


def _to_newer(platform: Platform) -> None:
    platform.stack.run("up", "--yes", "--skip-preview", quiet=True)
    assert _version(platform) == NEWER


def _backed_up(platform: Platform) -> None:
    """Back up the newer data, and restore it in a rehearsal, with the programs of its version."""
    for job in ("backup", "backup-rehearsal"):
        platform.kubectl("create", "job", f"{job}-{NEWER}", "-n", DATABASE, f"--from=cronjob/{job}")
        wait = ("wait", "--for=condition=Complete", f"job/{job}-{NEWER}", "-n", DATABASE)
        platform.kubectl(*wait, kubectl_timeout(3 * ROLLOUT))
    said = platform.kubectl("logs", f"job/backup-rehearsal-{NEWER}", "-n", DATABASE)
    assert f"PostgreSQL {NEWER}" in said, said


def _no_way_back(platform: Platform, backup: dict[str, object]) -> None:
    configure(platform.stack, database={"version": OLDER}, backup=backup)
    with pytest.raises(EmbeddedError, match=f"the data is of PostgreSQL {NEWER}, and {OLDER} can't read it"):
        platform.stack.run("preview", quiet=True)


def _version(platform: Platform) -> str:
    return str(int(platform.sql(platform.primary(), "show server_version_num")) // 10000)
