#!/usr/bin/env bash
# The first start of an empty PGDATA, as the official image does it: POSTGRES_USER and POSTGRES_PASSWORD, POSTGRES_DB, then
# /docker-entrypoint-initdb.d against a server on the socket only, with the server's own arguments.
set -euo pipefail
if [ "${1:-}" = postgres ] && ! [ -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?the database is empty and has no superuser password}"
  export POSTGRES_USER=${POSTGRES_USER:-postgres} PGPASSWORD=$POSTGRES_PASSWORD
  chmod 0700 "$PGDATA"
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
  printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  pg_ctl --pgdata="$PGDATA" -o "$(printf '%q ' "${@:2}" -c listen_addresses= -p 5432)" --wait start
  if [ "${POSTGRES_DB:=$POSTGRES_USER}" != postgres ]; then
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file "$file" ;;
    esac
  done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
  unset PGPASSWORD
fi
exec "$@"
