# CPU by default; with CUDA:  docker build --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 --build-arg EXTRAS=service,s3,gpu .
ARG BASE=python:3.13-slim
FROM ${BASE}
ARG EXTRAS=service,s3

# A CUDA base image brings no Python of its own.
RUN command -v python3 >/dev/null && python3 -m venv --help >/dev/null 2>&1 \
    || (apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*)

# pg_dump and pg_restore, for `backup` and `restore`.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY solver solver
COPY service service
COPY clients clients
RUN python3 -m venv /opt/equipoise \
    && /opt/equipoise/bin/pip install --no-cache-dir ".[${EXTRAS}]"

RUN useradd --create-home --uid 10001 equipoise && mkdir /data && chown equipoise /data
USER equipoise
ENV PATH=/opt/equipoise/bin:$PATH EQUIPOISE_DATA_DIR=/data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["python3", "-m", "equipoise_service"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
