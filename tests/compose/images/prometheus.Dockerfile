# Stand-in for prom/prometheus 3: the program of Debian sid, which runs on trixie's libc. Its
# tool is trixie's, of a package of its own.
FROM debian:trixie-stand-in
RUN apt-get -q update \
    && apt-get -qy install --no-install-recommends busybox promtool \
    && ln -s busybox /bin/wget \
    && install -d -o nobody -g nogroup /prometheus
WORKDIR /tmp
# A mirror may lag behind by more than sid's signature is valid for.
RUN sed -i 's/ trixie / sid /' /etc/apt/sources.list \
    && apt-get -q -o Acquire::Check-Valid-Until=false update \
    && apt-get -q download prometheus \
    && dpkg-deb -x prometheus_*.deb unpacked \
    && install unpacked/usr/bin/prometheus /bin/ \
    && rm -rf /tmp/* /var/lib/apt/lists/*
USER nobody
WORKDIR /prometheus
VOLUME ["/prometheus"]
ENTRYPOINT ["/bin/prometheus"]
