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

# A replica without data, in a cluster without an identifier, would make a new and empty database of its own. Spilo's
# replicas have the new data by then.
await_the_new_primary() {
  until [ -n "$stopping" ] || python3 -c "$ask" "$(cat "$anew")" 2>/dev/null; do
    sleep 0.5
  done
  rm -f "$anew"
}
anew=/run/postgresql/begins_anew_from
ask='import sys, urllib.request; urllib.request.urlopen(f"http://{sys.argv[1]}:8008/primary", timeout=2)'

until [ -n "$stopping" ]; do
  [ ! -s "$anew" ] || await_the_new_primary
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
