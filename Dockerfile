# The engine and its command line, without the sandbox. Build: docker build -t pfi .
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock requirements-runtime.lock pyproject.toml README.md LICENSE ./
COPY pfi pfi
COPY connectors connectors
COPY routing_rules routing_rules
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && python -m venv /opt/pfi && /opt/pfi/bin/pip install --no-cache-dir --require-hashes -r requirements-runtime.lock \
    && /opt/pfi/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.11-slim
# The data folder exists and is ours before it becomes a volume: a new volume takes over its owner.
RUN useradd --system --create-home --home-dir /var/lib/pfi pfi \
    && install -d -o pfi -g pfi -m 700 /var/lib/pfi/data
COPY --from=build /opt/pfi /opt/pfi
USER pfi
WORKDIR /var/lib/pfi
ENV PATH=/opt/pfi/bin:$PATH PYTHONUNBUFFERED=1
# pfi.yaml and its certificates are mounted here; the embedded PostgreSQL lives in data_dir, so keep it on a volume.
VOLUME /var/lib/pfi/data
EXPOSE 2575
ENTRYPOINT ["pfi"]
CMD ["run", "--config", "/var/lib/pfi/pfi.yaml"]
