#!/bin/sh
# Installs the servers which the tests of jobs and stand-ins start themselves, and the programs of those of operations;
# no service of the system's is started.
set -eu
missing=
for package in postgresql-15 pgbouncer redis-server redis-sentinel age gnupg; do
  dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing$missing"
policy=/usr/sbin/policy-rc.d # Debian asks it before it starts a service
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086  # a list
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
