#!/bin/sh
# What both scripts that log in to a database share: how they end, how they measure time, and how they check what they are
# given. Their images have sh, psql, sleep and timeout, nothing else is used.

NAME='database gate'

end() { # status, text
  printf '%s: %s\n' "$NAME" "$2"
  log=${TERMINATION_LOG:-/dev/termination-log}
  if [ "$1" -ne 0 ] && [ -e "$log" ]; then printf '%s: %s\n' "$NAME" "$2" >"$log"; fi
  exit "$1"
}

seconds() { # whole seconds of a clock nobody sets
  read -r uptime _ </proc/uptime
  echo "${uptime%%.*}"
}

one_line() {
  set -f
  # shellcheck disable=SC2086  # splitting is the purpose: newlines become spaces
  set -- $1
  set +f
  echo "$*"
}

row() { # what psql has printed; its last line, because warnings of the server come first: a collation's version, for example
  echo "${1##*
}"
}

need() { # environment variables
  for variable; do
    eval "value=\${$variable:-}"
    [ -n "$value" ] || end 2 "misconfigured: the environment variable $variable is not set"
  done
  for program in psql sleep timeout; do
    command -v "$program" >/dev/null || end 2 "misconfigured: the image has no $program"
  done
}

whole() { # environment variables
  for variable; do
    eval "value=\$$variable"
    case $value in
      *[!0-9]*) end 2 "misconfigured: $variable must be a whole number of seconds" ;;
    esac
  done
}
