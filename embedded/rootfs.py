"""Make the Debian root file system, the first layer of all images but those of static Go programs.

It is shared, so it is stored, imported and unpacked once. Packages come from where the machine's own apt takes them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from embedded.oci import Entry, unpacked

SUITE = "bookworm"

PATRONI_NEEDS = (
    "python3-click",
    "python3-dateutil",
    "python3-prettytable",
    "python3-psutil",
    "python3-psycopg2",
    "python3-urllib3",
    "python3-yaml",
)
PACKAGES = (
    "ca-certificates",  # PgBouncer 1.18 does not start without the bundle, whatever its configuration names
    "gnupg1",  # Spilo has both, and this one opens with a private key without an agent
    "gpg",  # alone, as Spilo has it: without an agent
    "hostname",  # the Redis operator's probes
    "nodejs",
    "openssl",
    "pgbouncer",
    "postgresql-15",
    "procps",
    "python3",
    *PATRONI_NEEDS,
    "redis-sentinel",
    "redis-server",
    "redis-tools",
)

# Ids that the operators and charts put into security contexts, so they cannot be left to the packages' scripts.
USERS = (
    # name, uid, gid, home
    ("pgbouncer", 100, 101, "/nonexistent"),
    ("postgres", 101, 103, "/home/postgres"),
    ("redis", 1000, 1000, "/data"),
    ("infisical", 1001, 1001, "/backend"),
)

# Before the other packages: their scripts create no user that is there, and no PostgreSQL cluster.
ESSENTIAL_HOOK = "\n".join(
    (
        'set -eu; cd "$1"',
        *(
            f"echo {name}:x:{gid}: >> etc/group; echo {name}:x:{uid}:{gid}::{home}:/bin/bash >> etc/passwd; "
            f"echo '{name}:!:19000::::::' >> etc/shadow"
            for name, uid, gid, home in USERS
        ),
        "mkdir -p etc/postgresql-common",
        "echo create_main_cluster=false > etc/postgresql-common/createcluster.conf",
    )
)

# Patterns of paths that stay out of the layer.
LEFT_OUT = (
    "dev/*",  # the runtime's
    "etc/.pwd.lock",
    "etc/apt/*",  # the machine's mirrors
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/ssl/private/*",  # a random key pair of the machine's name; its certificate:
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "usr/lib/*/libLLVM-*",  # just-in-time compilation of queries, without which PostgreSQL works too
    "usr/lib/*/libz3.so*",
    "usr/lib/*/perl/*/CORE/*",
    "usr/lib/postgresql/*/lib/bitcode/*",
    "usr/lib/postgresql/*/lib/llvmjit*",
    "usr/share/doc/*",
    "usr/share/i18n/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "usr/share/nodejs/@types/*",
    "var/cache/*",
    "var/lib/apt/*",
    "var/log/*",
)

# Python's compiled modules then carry their source's hash and not its time, which no file of a layer keeps.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1"}

# Each suite's Python looks here for packages that are not Debian's.
PYTHON_PACKAGES = {
    "bookworm": "usr/local/lib/python3.11/dist-packages",
    "trixie": "usr/local/lib/python3.13/dist-packages",
}

# It mounts the machine's /dev and /sys where later its tree is removed. In namespaces of its own, which end with the
# process that asked, nothing it mounted or started outlives it, however it ends.
CONTAINED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def command(target: Path, suite: str, packages: Iterable[str]) -> list[str]:
    """Return the command with which mmdebstrap writes the file system as the tar `target`."""
    return [
        *CONTAINED,
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        "--dpkgopt=force-unsafe-io",  # nobody keeps the tree; its tar is synced
        f"--include={','.join(packages)}",
        f"--essential-hook={ESSENTIAL_HOOK}",
        suite,
        str(target),
        *_sources(suite),
    ]


def extraction(target: Path, suite: str, packages: Iterable[str]) -> list[str]:
    """Return the command that writes the files of packages and of all that they need, installed nowhere.

    They become a tar when the target is called so, else a folder.
    """
    included = f"--include={','.join(packages)}"
    return [*CONTAINED, "mmdebstrap", "--variant=extract", included, suite, str(target), *_sources(suite)]


def entries(archive: Path) -> Iterator[Entry]:
    """Yield the part of the created file system that goes into the layer."""
    for entry in unpacked(archive):
        names = (entry.path, str(Path(entry.path).parent / entry.target))  # a link goes with what it leads to
        if not any(fnmatch(name, pattern) for name in names for pattern in LEFT_OUT):
            yield entry


def _sources(suite: str) -> list[str]:
    """Return the machine's apt sources of a suite, or none (mmdebstrap's own choice) where apt has none."""
    fields = "$(RELEASE)|$(COMPONENT)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    found = {}
    for line in listed.splitlines():
        release, component, source = line.split("|")
        if release in (suite, f"{suite}-updates", f"{suite}-security") and component == "main":
            found[source] = None
    return list(found)
