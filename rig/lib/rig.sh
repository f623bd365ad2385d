# shellcheck shell=bash
# A whole rig in $STATE: the control plane with Igor's kinds and role, and the stores. Sourced by the commands beside it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$STATE"
STATE=$(cd "$STATE" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$root/rig/lib/process.sh"
. "$root/rig/lib/binaries.sh"
. "$root/rig/lib/control-plane.sh"
. "$root/rig/lib/stores.sh"

# One command at a time works on a rig.
lock_rig() {
  need flock util-linux
  exec 9>"$STATE/lock"
  flock -w 600 9 || die "another command holds $STATE/lock"
}

running() { alive etcd || alive apiserver || alive controller-manager || alive postgres || alive redis; }

find_cluster() {
  # The variables of this very rig, sourced into a shell, are not somebody else's cluster.
  [ "${IGOR_TEST_KUBECONFIG:-}" != "$admin_kubeconfig" ] || unset IGOR_TEST_KUBECONFIG
  if [ -n "${IGOR_TEST_KUBECONFIG:-}" ]; then
    say "control plane: the cluster of IGOR_TEST_KUBECONFIG=$IGOR_TEST_KUBECONFIG"
    admin_kubeconfig=$IGOR_TEST_KUBECONFIG
    kubectl_program=$(type -P kubectl) || die "kubectl is missing; it is needed with IGOR_TEST_KUBECONFIG"
  else
    find_kube
    kubectl_program=$kube_bin/kubectl
  fi
}

# start_rig SAVE: both halves at once; sets what the env files hold.
start_rig() {
  local start ready stores_pid
  # What a shell took from .dev/env is Igor's, which comes and goes: nobody's to lean on.
  [ "${DATABASE_URL:-}" != "${IGOR_LOCAL_DATABASE_URL:-}" ] || unset DATABASE_URL
  [ "${REDIS_URL:-}" != "${IGOR_LOCAL_REDIS_URL:-}" ] || unset REDIS_URL
  start=$(now_ms)
  find_cluster
  (
    load_stores
    bring_redis "$1"
    bring_postgres
    printf '%s\n' "database_url=$database_url" "redis_url=$redis_url" >"$stores/urls"
  ) &
  stores_pid=$!
  if [ -z "${IGOR_TEST_KUBECONFIG:-}" ]; then start_control_plane; fi
  ready=$(now_ms)
  install_igor
  [ -n "${IGOR_TEST_KUBECONFIG:-}" ] || await 30 "default service account" service_account_made
  wait "$stores_pid" || die "the stores did not start, see $STATE/logs"
  # shellcheck disable=SC1091
  . "$stores/urls"
  say "up in $(($(now_ms) - start)) ms (apiserver $((ready - start)) ms)"
}

stop_rig() {
  local other
  stop_control_plane &
  other=$!
  stop_stores
  wait "$other"
}

# write_env FILE NAME=VALUE...: shell exports
write_env() {
  local file=$1 pair
  shift
  (umask 077; for pair in "$@"; do printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"; done >"$file.new")
  mv "$file.new" "$file"
}
