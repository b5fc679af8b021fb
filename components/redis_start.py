"""Say when a Redis server may start: once the Sentinels know which server is the master, if there is one.

A server that starts is a master of its own. The redis-operator looks every 30 s, and where the only master that it
finds is the newcomer, it makes all others follow it. That is so for as long as a fail-over takes: Kubernetes has a new
pod for a lost master after 3 s, and the Sentinels wait 5 s before they promote another. They and the operator then
disagreed for a minute or more, and an empty newcomer could have become the master of all. While a pod's container
hasn't started, the operator changes nothing.
"""

from __future__ import annotations

# The Sentinels need 5 s to miss a master, and a second or two to promote another. One that fails tries again after
# 20 s, and by then a server that may be the only one is better than none.
_WAIT_SECONDS = 15
_SILENT_TRIES = 5  # a network policy may take a moment to know a new pod's address
_DATA = "/data"  # where the operator mounts the server's volume

# As with the probes, a changed word would roll every Redis. So the reasons stand here:
# - It never fails, because Kubernetes would try for ever, and a server that starts too early is better than none.
# - A Sentinel that knows nobody, or whose operator has told it nothing yet, has no other master to wait for.
# - Any answer of the master will do: it wants a password, which is not needed here.
# - Where no Sentinel answers, an empty server starts at once, because on the first `up` there are none.
# - Without `timeout` in the image nobody is asked.
_SCRIPT = """\
command -v timeout >/dev/null || exit 0
ask() { timeout 2 redis-cli "$@" 2>/dev/null; }
start() { echo "$1"; exit 0; }
try() {
  [ "$#" -eq 2 ] && [ "$1" != 0.0.0.0 ] || start "the Sentinels name no master"
  [ -z "$(ask -h "$1" -p "$2" PING)" ] || start "the master is $1"
  echo "waiting for another master than $1"
}
silent=0
end="$(($(date +%s) + $5))"
while [ "$(date +%s)" -lt "$end" ]; do
  if named="$(ask -h "$1" -p "$2" SENTINEL GET-MASTER-ADDR-BY-NAME "$3")"; then
    try $named
  else
    ls -d "$4"/[Aa]ppend* >/dev/null 2>&1 || start "no Sentinel, and no data"
    silent="$((silent + 1))"
    [ "$silent" -lt "$6" ] || start "no Sentinel answers"
  fi
  sleep 1
done
echo "no master answers"
"""


def command(sentinel: str, port: int, group: str, data: str = _DATA, wait: int = _WAIT_SECONDS) -> list[str]:
    """Return what waits. It needs sh, date, redis-cli and `timeout`, and ends with 0 whatever it finds."""
    return ["sh", "-c", _SCRIPT, "start", sentinel, f"{port}", group, data, f"{wait}", f"{_SILENT_TRIES}"]
