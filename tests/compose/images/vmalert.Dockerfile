# Stand-in for victoriametrics/vmalert: the program of Debian sid, 1.79, which does not read
# passwords from file:// as the original does, so the entry point does.
FROM debian:trixie-stand-in
RUN apt-get -q update \
    && apt-get -qy install --no-install-recommends busybox \
    && ln -s busybox /bin/wget
WORKDIR /tmp
# A mirror may lag behind by more than sid's signature is valid for.
RUN sed -i 's/ trixie / sid /' /etc/apt/sources.list \
    && apt-get -q -o Acquire::Check-Valid-Until=false update \
    && apt-get -q download victoria-metrics \
    && dpkg-deb -x victoria-metrics_*.deb unpacked \
    && install unpacked/usr/bin/vmalert /bin/ \
    && rm -rf /tmp/* /var/lib/apt/lists/*
COPY file-flags.sh /vmalert-prod
ENV PROGRAM=/bin/vmalert
ENTRYPOINT ["/vmalert-prod"]
