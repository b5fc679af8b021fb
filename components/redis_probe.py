"""Say when a Redis server counts as ready, once a fail-over could choose it, and when it has to be started again.

A server that starts is a master of its own until the redis-operator makes it follow the real one, which it does in a
loop of 30 s. The operator's own probe asks for PONG, so a StatefulSet that rolls had replaced all servers within
seconds, the master last, while no other was attached: no Sentinel had anybody to promote.

It also lets go of a master that is gone for good. Whoever loses the master, another server and two Sentinels at once
has servers that restarted, each a master of its own, and one that follows an address that is no more. The operator
makes the first server the master of all where each is one, or finds the one with a replica, and this is neither.
"""

from __future__ import annotations

_PERIOD_SECONDS = 5
_KNOWN_AFTER_SECONDS = 12  # Sentinels hear of a replica from the master, which they ask every 10 s
# The operator tries again 60 s after an error. Whoever was up before is ready, whatever it follows: Kubernetes makes no
# lost server anew while one before it isn't ready, and without them a lone replica would wait for its master for ever.
_LONELY_SECONDS = 90

# A changed word, be it of a comment, would roll every Redis. So the reasons stand here, not in the script:
# - The first server may be a master without replicas. It is the last to be rolled, and the others are made once it is
#   ready, be it on the first `up` or after the loss of all.
# - An empty server has nothing to lose. On the first `up` all are, and should not wait for one another.
# - The age is that of the replica's connection to its master.
# - A Sentinel that starts knows nobody, which is 0.0.0.0, until the operator tells it: hence its uptime. The Service
#   leads to any that is ready. A wrong answer does no harm: Sentinels that know better make the server follow again.
# - The time without a master is -1 for a server that has had none since it started. Then it is the server's uptime.
# - Without `timeout` in the image nobody is asked, and nothing is let go.
_SCRIPT = """\
export REDISCLI_AUTH="$REDIS_PASSWORD"
ask() { redis-cli -h "$(hostname)" -p "$REDIS_PORT" "$@"; }
seen="$(ask INFO)"
case "$seen" in
*loading:1*) echo "loading"; exit 1 ;;
*uptime_in_seconds:*role:*) ;;
*) echo "no answer"; exit 1 ;;
esac
uptime="${seen#*uptime_in_seconds:}"
uptime="${uptime%%[!0-9]*}"
case "$seen" in
*role:slave*master_sync_in_progress:0*master_link_down_since_seconds:*)
  away="${seen#*master_link_down_since_seconds:}"
  away="${away%%[!0-9]*}"
  if [ "${away:-$uptime}" -ge "$2" ]; then
    watch="$(unset REDISCLI_AUTH; timeout 2 redis-cli -h "$3" -p "$4" INFO)" || watch=
    known="${watch#*uptime_in_seconds:}"
    known="${known%%[!0-9]*}"
    case "$watch" in
    *address=0.0.0.0:*) [ "${known:-0}" -lt "$2" ] || ask REPLICAOF NO ONE ;;
    esac
  fi ;;
esac
[ "$uptime" -lt "$2" ] || exit 0
case "$seen" in *db[0-9]*:keys=*) ;; *) exit 0 ;; esac
case "$seen" in
*role:slave*master_link_status:up*)
  age="$(ask CLIENT LIST TYPE master)"
  age="${age#* age=}"
  [ "${age%%[!0-9]*}" -ge "$1" ] || { echo "attached a moment ago"; exit 1; }
  exit 0 ;;
*role:slave*) echo "not attached to its master"; exit 1 ;;
esac
case "$(hostname)" in *-0) exit 0 ;; esac
case "$seen" in *connected_slaves:0*) echo "follows nobody, and nobody follows it"; exit 1 ;; esac
"""

# Any answer will do, be it that the server loads its data or knows a different password by now.
ALIVE = ["sh", "-ec", '[ -n "$(REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli -h "$(hostname)" -p "$REDIS_PORT" PING)" ]']
# The operator's own probe gives up after 1 s, three times. On a busy node that killed Sentinels that were well, and the
# master would be next. One that hangs is a case for the Sentinels, which are through in 5 s.
_PATIENT = {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6}


def command(
    sentinel: str, sentinel_port: int, known_after: int = _KNOWN_AFTER_SECONDS, lonely: int = _LONELY_SECONDS
) -> list[str]:
    """Return what tells, and asks Sentinels behind the host `sentinel` whether a master that is away is gone.

    It needs sh, hostname and redis-cli, as the operator's own probe, and `timeout` to let go.
    """
    return ["sh", "-ec", _SCRIPT, "probe", f"{known_after}", f"{lonely}", sentinel, f"{sentinel_port}"]


def attached(asked: list[str]) -> dict[str, object]:
    """Return the readiness probe of a server, which runs a `command`."""
    return {
        "exec": {"command": asked},
        "periodSeconds": _PERIOD_SECONDS,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }


def alive() -> dict[str, object]:
    """Return the liveness probe of a server. The operator's own has the password on a command line."""
    return {"exec": {"command": ALIVE}, **_PATIENT}


def sentinel_probes() -> dict[str, object]:
    """Return the probes of a Sentinel: how the operator's own question is asked."""
    return {"livenessProbe": _PATIENT, "readinessProbe": {"periodSeconds": 10, "timeoutSeconds": 5}}
