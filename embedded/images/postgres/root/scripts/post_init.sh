#!/bin/bash
# Patroni's bootstrap.post_init: runs once, on a new primary, with the connection string as its argument.
# The operator creates the application's roles with "ADMIN admin", its default team_admin_role, which Spilo provides.
set -euo pipefail
psql -d "$1" -v ON_ERROR_STOP=1 -v human_role="${HUMAN_ROLE:-zalandos}" -q <<'SQL'
CREATE ROLE admin CREATEDB NOLOGIN;
CREATE ROLE cron_admin NOLOGIN ROLE admin;
CREATE ROLE :"human_role" NOLOGIN;
CREATE EXTENSION pg_stat_statements;
SQL
