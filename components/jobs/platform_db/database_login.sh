#!/bin/sh
# Logs in as the application will: through every host, certificate and host name verified, until each one answers and
# is writable. Second step of the database gate; its image has sh, psql, sleep and timeout, nothing else is used.
#
# HOSTS             host names, separated by spaces
# CA_FILES          PEM files, separated by spaces: what any of them holds is trusted, as Infisical trusts what CertSync
#                   publishes. After a rotation the authority's Secret holds the new one, the leaf's the one it is of.
# DEADLINE_SECONDS  whole seconds
# MAJOR_VERSION     of PostgreSQL, as asked for
# UPGRADE_SECONDS   how long a different one may answer: the operator upgrades in its own time, or not at all
# PGPORT PGUSER PGDATABASE PGPASSWORD are read by psql itself: no secret on a command line.
set -u

. "${0%/*}/database_gate.sh"

QUERY="select 1, pg_is_in_recovery(), current_setting('transaction_read_only')
, current_setting('server_version_num')::int / 10000"
WRITABLE='1|f|off'

need HOSTS CA_FILES MAJOR_VERSION UPGRADE_SECONDS DEADLINE_SECONDS PGPORT PGUSER PGDATABASE PGPASSWORD
whole DEADLINE_SECONDS UPGRADE_SECONDS
AUTHORITIES=${TMPDIR:-/tmp}/authorities.crt # psql takes one file
export PGSSLMODE=verify-full PGSSLROOTCERT="$AUTHORITIES" PGCONNECT_TIMEOUT=3 PGAPPNAME=platform-db-gate

trust() { # what CA_FILES hold now: the kubelet renews them
  for file in $CA_FILES; do
    [ -r "$file" ] || continue
    while read -r line || [ -n "$line" ]; do echo "$line"; done <"$file"
  done >"$AUTHORITIES"
}

try() { # host; the answer, or the error, on one line
  if answer=$(PGHOST=$1 timeout 5 psql -XwAt -c "$QUERY" 2>&1); then
    answer=$(row "$answer")
    version=${answer##*|}
    [ "$answer" != "$WRITABLE|$MAJOR_VERSION" ] || return 0
    if [ "$answer" = "$WRITABLE|$version" ]; then
      other=$version
      cause="runs PostgreSQL $version, and $MAJOR_VERSION is asked for"
      return 1
    fi
    answer="read-only: wanted $WRITABLE (1, in recovery, read only), got ${answer%|*}"
  fi
  # Only a psql which was stopped says nothing: a pooler lets clients wait for its server for minutes.
  cause=$(one_line "${answer:-logged in, but no answer within 5 s}")
  return 1
}

why_other() { # what to do about a version that is not the one asked for
  if [ "$other" -gt "$MAJOR_VERSION" ]; then
    echo "no upgrade can be taken back: set database.version to $other"
  else
    echo "the operator has not upgraded it. Its major_version_upgrade_mode may be off (\`make doctor\` tells)," \
      "or a replica did not stream: its log says why, and \`pulumi up\` has it try again"
  fi
}

started=$(seconds)
waiting=$HOSTS
seen=
since=
while :; do
  other=
  still=
  causes=
  trust
  for host in $waiting; do
    try "$host" && continue
    still="$still $host"
    causes="$causes${causes:+; }$host: $cause"
  done
  elapsed=$(($(seconds) - started))
  [ -n "$still" ] || break
  if [ -n "$other" ]; then
    since=${since:-$elapsed}
    causes="$causes: $(why_other)"
    [ $((elapsed - since)) -lt "$UPGRADE_SECONDS" ] || end 1 "FAILED after $elapsed s: $causes"
  else
    since=
  fi
  [ "$elapsed" -lt "$DEADLINE_SECONDS" ] || end 1 "FAILED after $elapsed s: $causes"
  waiting=$still
  if [ "$causes" != "$seen" ]; then
    printf '%s: %s s: %s\n' "$NAME" "$elapsed" "$causes"
    seen=$causes
  fi
  sleep 1
done
end 0 "ready: $PGUSER logs in to $PGDATABASE through $(one_line "$HOSTS"), certificate and host name verified, writable"
