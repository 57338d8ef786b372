# One image for workers and for the launcher of a Flex Template: Beam's own, with this package in it.
# Beam and Python are those of constraints.txt; tests/dataflow/test_image.py holds them together.
#
#   docker build -t REGION-docker.pkg.dev/PROJECT/REPOSITORY/presample:0.1.0-beam2.77.0-py3.11 .
#
# EXTRAS: what else of presample is to be in it, like gcp,tf for TensorFlow in functions of your own.
# LAUNCHER: Google's image with the template launcher; name a digest where builds must repeat.
ARG LAUNCHER=gcr.io/dataflow-templates-base/python311-template-launcher-base:latest
FROM ${LAUNCHER} AS launcher

FROM apache/beam_python3.11_sdk:2.77.0
ARG EXTRAS=gcp

COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher

WORKDIR /template
COPY . /template/source
RUN pip install --no-cache-dir --constraint source/constraints.txt "./source[${EXTRAS}]" \
    && pip check \
    && cp source/docker/flex_launcher.py main.py \
    && rm -rf source

ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/main.py

# The worker's start. The launcher of a template replaces it.
ENTRYPOINT ["/opt/apache/beam/boot"]
