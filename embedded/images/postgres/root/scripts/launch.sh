#!/bin/bash
# Entry point of the database image, as Zalando's operator expects Spilo: started as root it takes hold of the volume
# and becomes postgres; then it writes Patroni's configuration, watches the certificate's files and becomes Patroni.
set -euo pipefail

fail() {
  echo "launch.sh: $*" >&2
  exit 1
}

for name in SCOPE PGROOT POD_IP POD_NAMESPACE PGPASSWORD_SUPERUSER PGPASSWORD_STANDBY; do
  [ -n "${!name:-}" ] || fail "environment variable $name is not set; the operator sets it in the pods it creates"
done
[[ ${TLS_CHECK_INTERVAL:=300} =~ ^[1-9][0-9]*$ ]] ||
  fail "TLS_CHECK_INTERVAL: a number of seconds, not '$TLS_CHECK_INTERVAL'"
export PGVERSION=${PGVERSION:-15}

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGROOT"
  chown postgres:postgres "$(dirname "$PGROOT")" "$PGROOT"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

export HOME=/home/postgres PATH="/usr/lib/postgresql/$PGVERSION/bin:$PATH"
mkdir -p "$PGROOT"
# With fsGroup the kubelet widens the mode at each start of a pod, and PostgreSQL then refuses the directory.
[ ! -d "$PGROOT/data" ] || chmod 0700 "$PGROOT/data"

if [ -z "${SSL_CERTIFICATE_FILE:-}" ]; then
  export SSL_CERTIFICATE_FILE=/run/certs/server.crt SSL_PRIVATE_KEY_FILE=/run/certs/server.key
  (umask 077 && openssl req -nodes -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 365 \
    -subj "/CN=$SCOPE" -keyout "$SSL_PRIVATE_KEY_FILE" -out "$SSL_CERTIFICATE_FILE" 2>/dev/null)
fi
for file in "$SSL_CERTIFICATE_FILE" "$SSL_PRIVATE_KEY_FILE" ${SSL_CA_FILE:+"$SSL_CA_FILE"}; do
  [ -r "$file" ] || fail "$file: not readable by uid $(id -u), groups $(id -G); set spec.spiloFSGroup to 103"
done

(umask 077 && /scripts/render_patroni.py > /run/postgresql/patroni.yml)
unset PGPASSWORD_SUPERUSER PGPASSWORD_STANDBY # in patroni.yml by now; no child needs them

tls_digest() { cat "$SSL_CERTIFICATE_FILE" "$SSL_PRIVATE_KEY_FILE" ${SSL_CA_FILE:+"$SSL_CA_FILE"} | sha256sum; }

# PostgreSQL reads its certificate at a start and at a reload; Spilo looks for a renewed one every five minutes.
watch_tls() {
  local loaded=$1 current
  while sleep "$TLS_CHECK_INTERVAL"; do
    current=$(tls_digest)
    if [ "$current" != "$loaded" ] && pg_ctl -D "$PGROOT/data" reload; then
      echo "launch.sh: the certificate's files have changed: reloaded PostgreSQL"
      loaded=$current
    fi
  done
}
watch_tls "$(tls_digest)" &

exec python3 -m patroni /run/postgresql/patroni.yml
