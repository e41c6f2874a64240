# Stand-in for victoriametrics/vmalert: the program of Debian sid.
FROM debian:trixie-stand-in
RUN apt-get -q update \
    && apt-get -qy install --no-install-recommends busybox \
    && ln -s busybox /bin/wget
WORKDIR /tmp
RUN sed -i 's/ trixie / sid /' /etc/apt/sources.list \
    && apt-get -q -o Acquire::Check-Valid-Until=false update \
    && apt-get -q download victoria-metrics \
    && dpkg-deb -x victoria-metrics_*.deb unpacked \
    && find unpacked -type f -perm /111 | head -20 \
    && install unpacked/usr/bin/vmalert /vmalert-prod \
    && rm -rf /tmp/* /var/lib/apt/lists/*
ENTRYPOINT ["/vmalert-prod"]
