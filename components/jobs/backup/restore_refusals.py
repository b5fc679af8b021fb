"""Refuse a restore that would do harm, before anything is touched."""

import hashlib
import re
from collections.abc import Mapping

from backup_manifest import MANIFEST, SEALED, Manifest, identifier_of
from database_session import Session, migrations, tables
from job import Failed
from restore_script import DROPPED

_RELEASE = re.compile(r".*:v?(\d+)\.(\d+)\.(\d+)(?:-[^:/]*)?")

# What a migration makes before its first step: no data, where none has run.
_BOOKKEEPING = re.compile(r"DROP (?:TABLE|SEQUENCE) IF EXISTS public\.infisical_migrations\w* CASCADE")
_NAMED = 5


def refuse_unfit(manifest: Manifest, key_label: str, image: str, major: int) -> None:
    """Raise Failed where the stack's key, release or server could do nothing with the backup."""
    if manifest.key_label and manifest.key_label != key_label:
        raise Failed(
            f"{manifest.name} needs the encryption key with label {manifest.key_label}, and this stack's key has label "
            f"{key_label}; nothing has changed. Set encryptionKey to that key, which `make escrow` wrote down, or "
            "restore a different backup"
        )
    theirs, ours = _release(manifest.image or ""), _release(image)
    if theirs and ours and theirs > ours:
        raise Failed(
            f"{manifest.name} is of {manifest.image}, and this stack's release is the older {image}, which does not "
            "know its tables; nothing has changed. Set infisical.image to that release or a newer one, or restore a "
            "different backup"
        )
    if manifest.server > major:
        raise Failed(
            f"{manifest.name} is of PostgreSQL {manifest.server}, and this database is the older {major}; nothing has "
            f"changed. Set database.version to {manifest.server}, or restore a different backup"
        )


def refuse_known(session: Session, identifier: str, told: Mapping[str, str]) -> None:
    """Raise Failed where backup-status tells of this restore, and a database with data no longer does."""
    if identifier in told.get("restoredIds", "").split() and _lost(session):
        raise Failed(
            f"id {identifier} was restored before, and the database does not know of it: it was set back since. What "
            "it has now would be replaced; nothing has changed. To restore once more, choose a different restore.id, "
            "as `make restore` does; else remove the section restore"
        )


def refuse_other(identifier: str, name: str, source: str) -> None:
    """Raise Failed where this id has restored the backup `name`, and `source` means a different one."""
    wanted = source.removesuffix(SEALED).removesuffix(MANIFEST)
    if wanted not in ("latest", name, identifier_of(name)):
        raise Failed(
            f"id {identifier} has restored {name}, and restore.from is {source} now; nothing has changed. An id "
            f"restores one backup: to restore {source}, choose a different restore.id, as `make restore` does; else "
            f"set restore.from to {name} again"
        )


def overwritten(
    session: Session, manifest: Manifest, identifier: str, confirmation: str | None, remark: str = ""
) -> str:
    """Raise Failed with what would be lost, unless the confirmation is the one for this restore of this database.

    Returns what would confirm it without a backup of what is replaced, and nothing where none is to be made.
    remark: what is to be said of the backup, after a semicolon.
    """
    lost = _lost(session)
    if not lost:
        return ""
    token, without = (_token(session, identifier, manifest.name + how) for how in ("", " without a backup"))
    if confirmation == token:
        return without if migrations(session)[1] else ""
    if confirmation == without:
        return ""
    rows = tables(session, owned=True)
    changed = f", the newest change of {newest}" if (newest := _newest_change(session, list(rows))) else ""
    wrong = f" restore.overwrite is {confirmation}, which confirms something else." if confirmation else ""
    replacing = sum(manifest.tables.values())
    there = f"{sum(rows.values())} rows in {len(rows)} tables{changed}{_strange(session, lost)}"
    raise Failed(
        f"the database is not empty: {there}. All of it would be replaced by {manifest.name}, of {manifest.time}, with "
        f"{replacing} rows{remark}; nothing has changed.{wrong} To go ahead, set restore.overwrite to {token}"
    )


def _lost(session: Session) -> list[str]:
    """Return the statements that would drop what the database has. None: a platform in which nothing was ever kept."""
    _, number = migrations(session)
    statements = [statement for query in DROPPED for statement in session.ask(query)]
    if number:
        return statements or ["DROP TABLE IF EXISTS public.infisical_migrations CASCADE"]  # another role's
    return [statement for statement in statements if not _BOOKKEEPING.fullmatch(statement)]


def _strange(session: Session, lost: list[str]) -> str:
    """Return what a database holds that is not Infisical's, which the stack may have been led to by mistake."""
    if migrations(session)[1]:
        return ""
    names = [statement.partition(" IF EXISTS ")[2].removesuffix(" CASCADE") for statement in lost]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f", and Infisical has made none of it: {', '.join(names[:_NAMED])}{more}; see whether it is the right one"


def _token(session: Session, identifier: str, name: str) -> str:
    """Return what confirms this restore of this backup in this database: no confirmation is good for another one."""
    database = session.one("select system_identifier || ' ' || current_database() from pg_control_system()")
    return hashlib.sha256(f"{database} {identifier} {name}".encode()).hexdigest()[:12]


def _newest_change(session: Session, names: list[str]) -> str:
    having = set(
        session.ask(
            "select format('%I', table_name) from information_schema.columns"
            " where table_schema = 'public' and column_name = 'updatedAt' and data_type like 'timestamp%'"
        )
    )
    found = [session.one(f'select max("updatedAt") from public.{name}') for name in names if name in having]  # noqa: S608
    return max(found, default="")


def _release(image: str) -> tuple[int, ...]:
    match = _RELEASE.fullmatch(image.partition("@")[0])
    return tuple(map(int, match.groups())) if match else ()
