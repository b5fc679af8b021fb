#!/bin/sh
# What every CI system calls: docs/delivery.md. On stdout is Markdown for people, on stderr the log.
# Exit status: 0 done, 1 failed, 2 there is drift, 3 not the branch's newest commit, 4 the stack is locked, 64 usage.
set -eu

usage() {
  echo "usage: ci/deliver.sh preview|up|drift|heal|repair STACK, or ci/deliver.sh comment STACK FILE" >&2
  exit 64
}

case "${1:-} $#" in
  "preview 2" | "up 2" | "drift 2" | "heal 2" | "repair 2" | "comment 3") ;;
  *) usage ;;
esac
command=$1 stack=$2
[ -n "$stack" ] || usage
cd "$(dirname "$0")/.."

PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/infisical-platform/tools/bin
[ -e .venv/bin/python ] || ./bootstrap.sh >&2
[ -e policy/.venv/bin/python ] || PYTHON=$PWD/.venv/bin/python policy/sync.sh >&2
exec .venv/bin/python -m operations deliver --stack "$stack" \
  ${DELIVER_CONFIG_FILE:+--config-file "$DELIVER_CONFIG_FILE"} "$command" ${3:+"$3"}
