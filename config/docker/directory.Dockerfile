# An OpenLDAP with the sample company, set up by the scripts that the demo and the tests use.
FROM debian:bookworm-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slapd ldap-utils openssl \
 && rm -rf /var/lib/apt/lists/*
COPY tests/support/openldap tests/support/sample-directory config/docker/directory /usr/local/bin/
CMD ["directory"]
