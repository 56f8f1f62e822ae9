# A Postgres with an empty database "roster".
FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/*
COPY tests/support/postgres config/docker/roster-database /usr/local/bin/
CMD ["roster-database"]
