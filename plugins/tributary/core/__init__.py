"""The rules, pure: no Airflow, no S3 client, no database driver. Tested in milliseconds."""
