# Stand-in for python:3.13-slim-trixie: Debian trixie's own Python is 3.13.
FROM debian:trixie-stand-in
RUN apt-get -q update \
    && apt-get -qy install --no-install-recommends python3 python3-pip python3-venv \
    && ln -s python3 /usr/bin/python \
    && rm -rf /var/lib/apt/lists/* /usr/lib/python3*/EXTERNALLY-MANAGED
CMD ["python3"]
