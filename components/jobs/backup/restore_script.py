"""Bring a dump into a database in one transaction: all of it, or nothing."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backup_manifest import Manifest
from bounded_program import Deadline, last_words, run_program
from job import Failed

# The statements that drop what is in schema public, belongs to Infisical's role and to no extension. The schema itself
# stays: Spilo keeps extensions in it, which would go with it and could be made again by a superuser alone.
_RELATIONS = """
    SELECT format('DROP %s IF EXISTS %s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, format('public.%I', relname))
    FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND relowner = quote_ident(current_user)::regrole AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY relkind = 'S'"""
_FUNCTIONS = """
    SELECT format('DROP %s IF EXISTS %s CASCADE', CASE prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE'
      ELSE 'FUNCTION' END, p.oid::regprocedure)
    FROM pg_proc p WHERE pronamespace = 'public'::regnamespace AND proowner = quote_ident(current_user)::regrole
      AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')"""
_TYPES = """
    SELECT format('DROP TYPE IF EXISTS %s CASCADE', format('public.%I', typname))
    FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typowner = quote_ident(current_user)::regrole
      AND typtype IN ('e', 'd', 'r') AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))"""
DROPPED = (_RELATIONS, _FUNCTIONS, _TYPES)  # each asked anew: what an earlier one takes along is gone by then
_LOOPS = "".join(f"  FOR statement IN {query}\n  LOOP EXECUTE statement; END LOOP;\n" for query in DROPPED)
DROP = f"\nDO $$ DECLARE statement text; BEGIN\n{_LOOPS}END $$;\n"
_LOCK_SECONDS = 60


@dataclass(frozen=True)
class Ending:
    """How the transaction ends: `also` are its last statements, and `committing` is called before COMMIT is sent."""

    also: tuple[str, ...] = ()
    committing: Callable[[], None] = lambda: None


def restore(
    dump: Path,
    manifest: Manifest,
    programs: Mapping[str, str],
    environment: Mapping[str, str],
    deadline: Deadline,
    ending: Ending = Ending(),
) -> None:
    """Replace what is in schema public by the dump, and commit. Raises Failed.

    psql commits whatever it has when its input ends, so COMMIT is sent only after pg_restore has succeeded. Until
    `ending.committing` is called a failure has changed nothing; after that the database alone knows, as an answer can
    be lost.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        wanted = Path(folder, "list")
        listing = run_program([programs["pg_restore"], "--list", str(dump)], deadline)
        wanted.write_text("\n".join(line for line in listing.splitlines() if not _is_of_schema(line)))
        psql = subprocess.Popen(
            [programs["psql"], "-Xqw", "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, **environment},
        )
        assert psql.stdin
        options = ["--use-list", str(wanted), "--no-owner", "--no-privileges", "--file", "-"]
        try:
            _send(psql, f"BEGIN;\nSET LOCAL lock_timeout = '{_LOCK_SECONDS}s';\n{DROP}")
            _pump([programs["pg_restore"], *options, str(dump)], psql, deadline)
            ending.committing()
            _send(psql, "".join(f"{statement};\n" for statement in [*_checks(manifest), *ending.also, "COMMIT"]))
            psql.stdin.close()
            status = psql.wait(deadline.remaining)
        except BrokenPipeError:
            status = psql.wait(10)
        except subprocess.TimeoutExpired:
            raise Failed(f"not restored within {deadline.seconds:.0f} s") from None
        finally:
            psql.kill()  # without its COMMIT the transaction rolls back
            psql.wait()
        if status:
            said.seek(0)
            raise Failed(f"PostgreSQL refused it: {last_words(said.read())}")


def _is_of_schema(line: str) -> bool:
    return " SCHEMA - " in line or " COMMENT - SCHEMA " in line


def _send(psql: "subprocess.Popen[bytes]", text: str) -> None:
    assert psql.stdin
    psql.stdin.write(text.encode())
    psql.stdin.flush()


def _pump(command: list[str], psql: "subprocess.Popen[bytes]", deadline: Deadline) -> None:
    """Have a program write into psql. Raises Failed where it does not succeed, before psql hears of an end."""
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(command, stdout=psql.stdin, stderr=said, timeout=deadline.remaining)
        except subprocess.TimeoutExpired:
            raise Failed(f"not restored within {deadline.seconds:.0f} s") from None
        if done.returncode and psql.poll() is None:
            said.seek(0)
            raise Failed(f"the dump can't be read to its end: {last_words(said.read())}")


def _checks(manifest: Manifest) -> Iterable[str]:
    """Yield a statement for each table that fails unless it has the rows that the manifest counts."""
    # pg_restore has emptied the search path.
    for table, rows in sorted(manifest.tables.items()):
        problem = f"{table} was dumped with {rows} rows, and has %".replace("'", "''")
        counted = f"SELECT count(*) INTO n FROM public.{table}"  # noqa: S608 quoted by %I
        wrong = f"IF n <> {int(rows)} THEN RAISE EXCEPTION '{problem}', n; END IF"
        yield f"DO $$ DECLARE n bigint; BEGIN {counted}; {wrong}; END $$"
