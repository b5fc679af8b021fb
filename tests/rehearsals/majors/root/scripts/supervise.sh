#!/bin/bash
# Entry point of the image with two major versions. It keeps Patroni running as Spilo does: an upgrade kills Patroni, which
# then starts anew with the programs that fit the data. Before an upgrade those are older than the pod's PGVERSION.
set -euo pipefail

wanted=$PGVERSION stopping='' patroni=''

stop() {
  stopping=1
  [ -z "$patroni" ] || kill -TERM "$patroni" 2>/dev/null || true
}
trap stop TERM INT

until [ -n "$stopping" ]; do
  PGVERSION=$wanted
  [ ! -s "$PGROOT/data/PG_VERSION" ] || PGVERSION=$(cat "$PGROOT/data/PG_VERSION")
  export PGVERSION
  setsid /scripts/launch.sh &
  patroni=$!
  while kill -0 "$patroni" 2>/dev/null; do
    wait "$patroni" || true # a signal ends it early
  done
  kill -KILL -- "-$patroni" 2>/dev/null || true # what looks after the certificate; PostgreSQL has a group of its own
done
