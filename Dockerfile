# syntax=docker/dockerfile:1
# Igor's image: one program, all subcommands, no shell. Where no container engine is at hand: `make image`.
#   docker build --tag REGISTRY/igor:TAG .
ARG RUST=rust:1.94-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

# Dependencies are built in a layer of their own: they change seldom.
FROM ${RUST} AS chef
RUN cargo install cargo-chef@0.1.78 cargo-auditable@0.7.7 --locked
WORKDIR /igor

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=plan /igor/recipe.json recipe.json
RUN cargo chef cook --release --recipe-path recipe.json --bin igor
COPY . .
ENV SQLX_OFFLINE=true
RUN cargo auditable build --release --bin igor

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="igor" \
      org.opencontainers.image.description="Batch workflows on Kubernetes that people steer while they run" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /igor/target/release/igor /usr/local/bin/igor
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/igor/
USER 65532:65532
ENTRYPOINT ["igor"]
