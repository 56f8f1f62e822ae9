# rosterd from this repository on plain Debian; target "demo" has what tests/demo needs as well.
FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
RUN curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs \
  | sh -s -- -y --profile minimal --default-toolchain 1.95.0
ENV PATH=/root/.cargo/bin:$PATH
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin rosterd

FROM debian:bookworm-slim AS demo
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slapd ldap-utils openssl sqlite3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY tests/demo tests/demo
COPY tests/support tests/support
COPY --from=build /src/target/release/rosterd /usr/bin/rosterd
ENV ROSTERD_BIN=/usr/bin/rosterd
CMD ["tests/demo"]

FROM debian:bookworm-slim AS rosterd
# The passwords of the sample directory and its store. Yours come from a secret, not from an image.
RUN useradd --system --no-create-home rosterd \
 && install -d -o rosterd -g rosterd -m 700 /etc/rosterd \
 && printf reader-secret >/etc/rosterd/bind-password \
 && printf store-secret >/etc/rosterd/store-password \
 && chown rosterd: /etc/rosterd/*-password \
 && chmod 600 /etc/rosterd/*-password
COPY --from=build /src/target/release/rosterd /usr/bin/rosterd
USER rosterd
CMD ["rosterd", "run"]
