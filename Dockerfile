# The server on a CPU: docs/containers.md says how to build and run it.
#
#   docker build --tag ssd-keras .
#   docker run --rm --read-only --tmpfs /tmp --publish 127.0.0.1:8000:8000 \
#       --volume "$PWD/mine.onnx:/model/model.onnx:ro" ssd-keras

FROM python:3.11-slim AS build

# What the detectors run in: ONNX and OpenVINO artefacts; "tensorflow-cpu" is for .keras files and SavedModels.
ARG RUNTIMES="onnxruntime openvino"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python -m venv /opt/ssd-keras
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip wheel --no-deps --wheel-dir /wheels .
RUN /opt/ssd-keras/bin/python -m pip install --constraint constraints.txt "$(echo /wheels/*.whl)[serve]" $RUNTIMES

FROM python:3.11-slim

# Nothing is written but to /tmp, so the root file system may be read-only.
ENV PATH=/opt/ssd-keras/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    KERAS_HOME=/tmp/keras \
    MPLCONFIGDIR=/tmp/matplotlib
COPY --from=build /opt/ssd-keras /opt/ssd-keras
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["ssd", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/model/model.onnx"]
