# Placeholder for grafana/grafana, which no Debian package has: it holds the place, with the
# original's user, start script and health page, and nothing of Grafana. It proves that the
# compose file starts and feeds the container, not what Grafana does.
FROM debian:trixie-stand-in
RUN apt-get -q update \
    && apt-get -qy install --no-install-recommends busybox \
    && ln -s busybox /bin/wget \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 472 -g 0 /var/lib/grafana \
    && install -d /www/api && echo '{"database": "none", "version": "placeholder"}' >/www/api/health \
    && printf '#!/bin/sh\n: "${PROMETHEUS_PASSWORD:?}" "${VICTORIAMETRICS_PASSWORD:?}"\ntest -s "$GF_SECURITY_ADMIN_PASSWORD__FILE" && test -r "$GF_SECURITY_ADMIN_PASSWORD__FILE" || exit 1\nexec busybox httpd -f -p 3000 -h /www\n' >/run.sh \
    && chmod +x /run.sh
USER 472
VOLUME ["/var/lib/grafana"]
ENTRYPOINT ["/run.sh"]
