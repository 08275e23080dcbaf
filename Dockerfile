# The server on a CPU, without CUDA and torch. Dockerfile.gpu explains the steps.

# Set BASE to pull the base image from your own registry.
ARG BASE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
FROM ${BASE} AS dependencies
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
COPY constraints.txt docker/heavy.txt docker/light.txt /opt/requirements/
RUN python3 -m venv /opt/stt \
    && /opt/stt/bin/pip install --no-cache-dir --constraint /opt/requirements/constraints.txt pip setuptools \
    && /opt/stt/bin/pip install --no-cache-dir --constraint /opt/requirements/constraints.txt \
        --requirement /opt/requirements/heavy.txt --requirement /opt/requirements/light.txt


FROM dependencies AS production
ENV PATH=/opt/stt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DEVICE=cpu \
    HF_HOME=/models/.huggingface \
    MODELS_DIR=/models \
    SERVER_BIND=0.0.0.0
RUN groupadd --gid 10001 stt \
    && useradd --uid 10001 --gid stt --home-dir /tmp --no-create-home --shell /usr/sbin/nologin stt \
    && install --directory --owner stt --group stt /models
VOLUME /models
WORKDIR /srv/stt
EXPOSE 8011 8012 8013
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=15m --retries=3 CMD ["python", "-m", "stt_service.healthcheck"]
ENTRYPOINT ["tini", "--", "stt-server"]
RUN --mount=type=bind,target=/source,rw \
    pip install --no-cache-dir --no-deps --no-build-isolation /source \
    && stt-server --version
USER 10001:10001
