# Two images from one file: `server` (web and DIMSE) and `worker` (the same with PyTorch).

FROM node:20-slim AS viewer
WORKDIR /build/viewer
COPY viewer/package.json viewer/package-lock.json ./
RUN npm install --no-save --no-audit --no-fund
COPY viewer/ ./
RUN NEXT_TELEMETRY_DISABLED=1 npm run build && npm run build:ohif

FROM python:3.11-slim AS wheel
WORKDIR /build
RUN pip install --no-cache-dir build==1.6.1
COPY . .
COPY --from=viewer /build/viewer/build viewer/build
RUN python -m build --wheel --outdir /wheels

FROM python:3.11-slim AS server
RUN groupadd --system --gid 10001 hounsfield \
    && useradd --system --uid 10001 --gid hounsfield --home-dir /var/lib/hounsfield hounsfield \
    && install --directory --owner=hounsfield --group=hounsfield --mode=0750 /var/lib/hounsfield
COPY requirements.lock /tmp/requirements.lock
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-cache-dir --constraint /tmp/requirements.lock /tmp/wheels/*.whl \
    && rm -r /tmp/wheels
USER hounsfield
WORKDIR /var/lib/hounsfield
VOLUME /var/lib/hounsfield
ENTRYPOINT ["hounsfield"]
CMD ["serve"]

FROM server AS worker
USER root
RUN pip install --no-cache-dir torch==2.13.0
RUN pip install --no-cache-dir --constraint /tmp/requirements.lock \
    connected-components-3d fill_voids monai safetensors scipy \
    && pip install --no-cache-dir --no-deps deepbet==1.0.2
USER hounsfield
CMD ["worker"]
