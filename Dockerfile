# Two stages, so that no installer is left in the second. Only what requirements.lock names by its hash comes from
# outside, and only as wheels, so that no package's own build runs. Some of them need glibc 2.38: hence trixie.
FROM python:3.11-slim-trixie AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/optillm \
 && /opt/optillm/bin/pip install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: -r requirements.lock
COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY optillm ./optillm
COPY simulator ./simulator
RUN /opt/optillm/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . ./simulator \
 && /opt/optillm/bin/pip check \
 && /opt/optillm/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-trixie
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin optillm
COPY --from=build /opt/optillm /opt/optillm
ENV PATH=/opt/optillm/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    OPTILLM_HOST=0.0.0.0 \
    OPTILLM_INSECURE=true
# A container is reachable only where its port is published; set OPTILLM_API_KEY before publishing it widely.
USER 10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["optillm"]
