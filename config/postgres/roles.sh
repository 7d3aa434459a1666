#!/usr/bin/env bash
# Runs once in compose's Postgres container, when its data is first made: the roles and databases that the local stack
# makes too. Celery's results have a role of their own, so that a worker cannot reach Airflow's database.
set -euo pipefail
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set airflow_password="$AIRFLOW_DB_PASSWORD" \
  --set celery_password="$CELERY_RESULTS_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;
CREATE ROLE celery_results LOGIN PASSWORD :'celery_password';
CREATE DATABASE celery_results OWNER celery_results;
REVOKE ALL ON DATABASE celery_results FROM PUBLIC;
SQL
