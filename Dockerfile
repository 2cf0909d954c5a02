# Two stages: wheels are fetched and built in the first, so that no build tool is left in the second.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.txt pyproject.toml README.md ./
COPY optillm ./optillm
RUN python -m venv /opt/optillm \
 && /opt/optillm/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/optillm/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin optillm
COPY --from=build /opt/optillm /opt/optillm
ENV PATH=/opt/optillm/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    OPTILLM_HOST=0.0.0.0 \
    OPTILLM_INSECURE=true
# A container is reachable only where its port is published; set OPTILLM_API_KEY before publishing it widely.
USER optillm
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["optillm"]
