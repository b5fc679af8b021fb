#!/bin/sh
# Makes policy/.venv as policy/uv.lock says, with the uv that bootstrap.sh found or installed.
set -eu
cd "$(dirname "$0")"
PATH=$PATH:${XDG_CACHE_HOME:-$HOME/.cache}/infisical-platform/tools/bin

if ! command -v uv >/dev/null; then
  echo "error: the policy pack's environment is made by uv, which is not installed: run ./bootstrap.sh" >&2
  exit 1
fi
exec uv sync --frozen --quiet --python "${PYTHON:-python3}"
