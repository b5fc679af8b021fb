#!/bin/bash
# Entry point of the pooler image: PgBouncer's configuration, from the environment which Zalando's operator gives its
# pods. As with the operator's own image, a renewed certificate is served after a restart only: nothing reloads it.
set -euo pipefail

fail() {
  echo "entrypoint.sh: $*" >&2
  exit 1
}

for name in PGHOST PGUSER PGPASSWORD PGSCHEMA; do
  [ -n "${!name:-}" ] || fail "environment variable $name is not set; the operator sets it in the pods it creates"
done

umask 077
folder=/tmp/pgbouncer # all that is writable when the root file system is not
mkdir -p $folder

certificate=${CONNECTION_POOLER_CLIENT_TLS_CRT:-} key=${CONNECTION_POOLER_CLIENT_TLS_KEY:-}
if [ -z "$certificate" ]; then
  certificate=$folder/tls.crt key=$folder/tls.key
  openssl req -nodes -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 365 -subj /CN=pooler \
    -keyout $key -out $certificate 2>/dev/null
fi
for file in "$certificate" "$key"; do
  [ -r "$file" ] || fail "$file: not readable by uid $(id -u), groups $(id -G); set spec.spiloFSGroup to 103"
done

printf '"%s" "%s"\n' "$PGUSER" "${PGPASSWORD//\"/\"\"}" > $folder/userlist.txt
cat > $folder/pgbouncer.ini <<INI
[databases]
* = host=$PGHOST port=${PGPORT:-5432} auth_user=$PGUSER

[pgbouncer]
listen_addr = *
listen_port = ${CONNECTION_POOLER_PORT:-5432}
unix_socket_dir = $folder
pool_mode = ${CONNECTION_POOLER_MODE:-transaction}
auth_type = md5
auth_file = $folder/userlist.txt
auth_query = SELECT * FROM $PGSCHEMA.user_lookup(\$1)
admin_users = $PGUSER
stats_users = $PGUSER
max_client_conn = ${CONNECTION_POOLER_MAX_CLIENT_CONN:-1000}
default_pool_size = ${CONNECTION_POOLER_DEFAULT_SIZE:-15}
min_pool_size = ${CONNECTION_POOLER_MIN_SIZE:-0}
reserve_pool_size = ${CONNECTION_POOLER_RESERVE_SIZE:-0}
max_db_connections = ${CONNECTION_POOLER_MAX_DB_CONN:-0}
idle_transaction_timeout = 600
server_login_retry = 5
server_lifetime = 1200
dns_max_ttl = 5
ignore_startup_parameters = extra_float_digits,options
client_tls_sslmode = require
client_tls_cert_file = $certificate
client_tls_key_file = $key
server_tls_sslmode = require
server_tls_ca_file = ${CONNECTION_POOLER_CLIENT_CA_FILE:-$certificate}
INI
unset PGPASSWORD
exec pgbouncer $folder/pgbouncer.ini
