# Stand-in for prom/alertmanager: Debian trixie has the same version.
FROM debian:trixie-stand-in
RUN apt-get -q update \
    && apt-get -qy install --no-install-recommends prometheus-alertmanager busybox \
    && ln -s /usr/bin/prometheus-alertmanager /bin/alertmanager \
    && ln -s busybox /bin/wget \
    && install -d -o nobody -g nogroup /alertmanager \
    && rm -rf /var/lib/apt/lists/*
USER nobody
WORKDIR /alertmanager
VOLUME ["/alertmanager"]
ENTRYPOINT ["/bin/alertmanager"]
