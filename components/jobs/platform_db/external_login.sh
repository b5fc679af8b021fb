#!/bin/sh
# Logs in to a database that somebody else runs, as Infisical will: certificate and host name verified. Then asks whether
# the server is one that Infisical can use, and whether the role may do what Infisical's migrations do.
# Its image has sh, psql, sleep and timeout, nothing else is used.
#
# DEADLINE_SECONDS  whole seconds
# MOVED_FROM        where the data was before; if it is set, Infisical's tables must be here
# PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSSLROOTCERT are read by psql itself: no secret on a command line.
set -u

. "${0%/*}/database_gate.sh"

OLDEST=14
# Infisical's tables are in schema public, and its queues make a schema of their own.
QUERY="select pg_is_in_recovery() or current_setting('transaction_read_only')::bool
, current_setting('server_version_num')::int / 10000
, has_schema_privilege('public', 'create'), has_database_privilege(current_database(), 'create')
, has_schema_privilege('public', 'usage'), current_setting('server_encoding')
, to_regclass('public.infisical_migrations') is not null"

need DEADLINE_SECONDS PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSSLROOTCERT
whole DEADLINE_SECONDS
export PGSSLMODE=verify-full PGCONNECT_TIMEOUT=3 PGAPPNAME=platform-db-gate

why_not() { # what is wrong with the answer, on one line; nothing when nothing is
  IFS='|' read -r readonly version tables schemas usage encoding moved <<END
$1
END
  [ "$readonly" = f ] || { echo "read-only: $PGHOST is a replica, or the server takes no writes; name the primary" && return; }
  [ "$version" -ge "$OLDEST" ] || { echo "runs PostgreSQL $version, and Infisical needs $OLDEST or newer" && return; }
  [ "$encoding" = UTF8 ] || { echo "database $PGDATABASE is in $encoding, and must be in UTF8" && return; }
  if [ "$tables$usage" != tt ]; then
    echo "$PGUSER may not make tables: grant usage, create on schema public to \"$PGUSER\" in database $PGDATABASE"
  elif [ "$schemas" != t ]; then
    echo "$PGUSER may not make schemas: grant create on database \"$PGDATABASE\" to \"$PGUSER\""
  elif [ -n "${MOVED_FROM:-}" ] && [ "$moved" != t ]; then
    echo "database $PGDATABASE has none of Infisical's tables, and database.movedFrom says that the data of $MOVED_FROM was copied here; copy it, or restore a backup"
  fi
}

version_of() { # the answer
  rest=${1#*|}
  echo "${rest%%|*}"
}

started=$(seconds)
seen=
while :; do
  if answer=$(timeout 5 psql -XwAt -c "$QUERY" 2>&1); then
    answer=$(row "$answer")
    cause=$(why_not "$answer")
    [ -n "$cause" ] || break
  else
    # Only a psql which was stopped says nothing.
    cause=$(one_line "${answer:-logged in, but no answer within 5 s}")
  fi
  elapsed=$(($(seconds) - started))
  [ "$elapsed" -lt "$DEADLINE_SECONDS" ] || end 1 "FAILED after $elapsed s: $PGHOST: $cause"
  if [ "$cause" != "$seen" ]; then
    printf '%s: %s s: %s\n' "$NAME" "$elapsed" "$cause"
    seen=$cause
  fi
  sleep 1
done
end 0 "ready: $PGUSER logs in to $PGDATABASE on $PGHOST, PostgreSQL $(version_of "$answer"), certificate and host name verified, writable"
