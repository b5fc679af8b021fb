#!/bin/bash
# Run by a replica's own server, as Spilo's upgrade has it too: drop the older data, and have Patroni copy the primary's,
# whose address is the argument. Spilo takes over what is equal by rsync, and copies everything where that fails.
set -euo pipefail
[ "$(id -un)" = postgres ]
# A server's child has the older programs and nothing of the pod's environment, so it becomes nobody's child.
exec setsid bash -c '
  sleep 1 # the answer to who asked
  pg_ctl -D "$0" -m fast -w -t 60 stop
  rm -rf "$0"
  echo "$1" > /run/postgresql/begins_anew_from
  pkill -KILL -f "patroni /run/postgresql/patroni.yml"
' "$PWD" "$1" > /run/postgresql/begin_anew.log 2>&1 < /dev/null &
