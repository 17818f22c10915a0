# The daemon, for the processor (default) or for an NVIDIA GPU (--build-arg VARIANT=cuda). docs/install.md
ARG VARIANT=cpu
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
COPY constraints.txt ./

FROM build AS build-cuda
RUN pip install --no-cache-dir -c constraints.txt torch

# A version with +cpu counts as newer than the same one without, so it is taken.
FROM build AS build-cpu
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu torch

# hadolint ignore=DL3006
FROM build-${VARIANT} AS built
WORKDIR /src
COPY pyproject.toml README.md LICENSE config.toml mcp_server.py ./
COPY systemd systemd
COPY seedvr2 seedvr2
COPY daemon daemon
COPY mcp_tools mcp_tools
COPY rest_client rest_client
RUN pip install --no-cache-dir -c constraints.txt .

FROM python:${PYTHON} AS runtime-cpu

# The GPU's kernels are compiled where they run.
FROM python:${PYTHON} AS runtime-cuda
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility

# hadolint ignore=DL3006
FROM runtime-${VARIANT}
RUN useradd --uid 1000 --home-dir /app --no-create-home --shell /usr/sbin/nologin seedvr2d \
    && install -d -o seedvr2d -g seedvr2d /app /app/inbox /app/outputs /app/state /app/models
COPY --from=built /opt/venv /opt/venv
COPY mcp_server.py /app/
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/app \
    HF_HOME=/app/state/huggingface \
    TRITON_CACHE_DIR=/app/state/triton \
    TORCHINDUCTOR_CACHE_DIR=/app/state/inductor \
    SEEDVR2_PATHS_INBOX=/app/inbox \
    SEEDVR2_PATHS_OUTPUTS=/app/outputs \
    SEEDVR2_PATHS_STATE=/app/state \
    SEEDVR2_PATHS_MODELS=/app/models \
    SEEDVR2_SERVER_HOST=0.0.0.0 \
    SEEDVR2_MCP_FOLDERS=/app/inbox:/app/outputs
USER 1000:1000
EXPOSE 8200
VOLUME ["/app/inbox", "/app/outputs", "/app/state", "/app/models"]
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=3m CMD ["seedvr2d", "status"]
CMD ["seedvr2d"]
