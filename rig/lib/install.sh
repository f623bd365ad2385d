# shellcheck shell=bash
# Needs node.sh, chart.sh and what they source.
# shellcheck disable=SC2154
# The steps of rig/test-install.

system=igor-system
version=$(awk -F '"' '/^version = / {print $2; exit}' Cargo.toml)
table=()
# The stores' password: it must not show where people look.
canary=canary-$(openssl rand -hex 8)
# Enough to last through all that is done to it.
load_tasks=320

# step NAME COMMAND...
step() {
  local name=$1 start seconds
  shift
  start=$(now_ms)
  say "$name …"
  "$@"
  seconds=$((($(now_ms) - start) / 100))
  table+=("$(printf '%-45s %4d.%d s' "$name" $((seconds / 10)) $((seconds % 10)))")
}

build_images() { rig/image igor && rig/image fractal && rig/image stores; }

bring_cluster() {
  make_net
  make_keys
  make_node_keys
  start_control_plane
  start_controller_manager
  start_node
}

load_images() {
  local archive
  for archive in igor fractal postgres redis; do containers images import "target/image/$archive.tar" >/dev/null; done
  make_namespace "$system"
}

make_namespace() {
  cluster create namespace "$1"
  cluster label namespace "$1" pod-security.kubernetes.io/enforce=restricted
}

take_down() {
  stop_node
  stop_control_plane
  remove_net
  rm -rf "$kube/etcd"
}

chart() { "$helm" --kubeconfig "$admin_kubeconfig" --namespace "$system" "$@"; }

# Values that every install here has.
image_values=(--set "image.repository=localhost/igor,image.tag=$version")
stores_images=(--set "devStores.enabled=true,devStores.password=$canary" --set devStores.postgres.image=localhost/igor-dev-postgres:1
  --set devStores.redis.image=localhost/igor-dev-redis:1)

install_to_try() {
  chart install igor charts/igor "${image_values[@]}" "${stores_images[@]}" --wait --timeout 3m -f - <<YAML
operator: {replicas: 1}
workers:
- {name: try, slots: 4}
- name: fractal
  types: [render, join, checksum, publish]
  slots: 4
  image: localhost/igor-fractal:$version
  exec: [python3, /opt/fractal/fractal.py]
  extraEnv: [{name: IGOR_OUTPUT, value: /tmp/render}]
YAML
}

helm_test() { chart test igor --timeout 2m; }

# run_job FILE [SECONDS]: applies it and waits for its end.
run_job() {
  local name
  name=$(cluster create -f "$1" --dry-run=client -o 'jsonpath={.metadata.name}')
  cluster apply -f "$1"
  cluster wait --for=condition=Complete "igorjob/$name" --timeout="${2:-60}s"
}

# All that is told of a release to those who may not read secrets.
told() {
  local pod
  cluster get igorjobs,igorlayers,pods,configmaps,deployments,statefulsets,events -A -o yaml
  for pod in $(cluster -n "$system" get pods -o name); do cluster -n "$system" logs "$pod" --all-containers; done
  for pod in $(cluster -n "$system" get pods -l app.kubernetes.io/component=operator -o name); do
    cluster get --raw "/api/v1/namespaces/$system/pods/${pod#pod/}:8080/proxy/metrics"
  done
}

nothing_secret_is_told() {
  told >"$STATE/told"
  grep -q igor_leader "$STATE/told" && grep -q '"leading"' "$STATE/told" || die "not all was looked at, see $STATE/told"
  ! grep -q "$canary" "$STATE/told" || die "the stores' password is told, see $STATE/told"
}

uninstall() { chart uninstall igor --wait --timeout 2m; }

left_behind() {
  local job
  cluster get crd igorjobs.igor.dev igorlayers.igor.dev igortasks.igor.dev
  for job in "$@"; do cluster get igorjob "$job"; done
}

# A release of nothing but stores: no operator, no rights.
install_stores() {
  chart install stores charts/igor "${image_values[@]}" "${stores_images[@]}" --wait --timeout 2m \
    --set operator.replicas=0,crds.enabled=false,rbac.create=false,rbac.aggregateToView=false,rbac.aggregateToEdit=false
}

real_values() {
  cat <<YAML
postgres: {existingSecret: stores-igor-dev-postgres}
redis: {existingSecret: stores-igor-dev-redis}
operator: {replicas: 2, podAnnotations: {round: "$1"}}
workers: [{name: load, types: [sleep], slots: 4, podAnnotations: {round: "$1"}}]
YAML
}

install_for_real() { real_values 1 | chart install igor charts/igor "${image_values[@]}" --wait --timeout 2m -f -; }
upgrade() {
  real_values 2 | chart upgrade igor charts/igor "${image_values[@]}" --wait --timeout 3m -f -
  await 60 "nothing but pods of the new release" all_pods_are_of 2
}
roll_back() {
  chart rollback igor --wait --timeout 3m
  await 60 "nothing but pods of the old release" all_pods_are_of 1
}

# What ends on its own time ends too; a worker may drain for half a minute.
all_pods_are_of() {
  local rounds
  rounds=$(cluster -n "$system" get pods -l app.kubernetes.io/instance=igor -o 'jsonpath={.items[*].metadata.annotations.round}')
  [ "$rounds" = "$1 $1 $1" ]
}

begin_load() {
  cluster apply -f - <<YAML
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: load, namespace: default}
spec:
  layers:
  - {name: first, tasks: [{name: t, type: sleep, count: $((load_tasks / 2)), args: '1'}]}
  - {name: second, priority: 1, tasks: [{name: t, type: sleep, count: $((load_tasks / 2)), args: '1'}]}
YAML
  await 30 "the first results" has_results
}

has_results() { [ "$(cluster get igorjob load -o 'jsonpath={.status.tasks.completed}')" -gt 0 ] 2>/dev/null; }

leader() { cluster -n "$system" get lease igor-operator -o 'jsonpath={.spec.holderIdentity}'; }
another_leads() { local now; now=$(leader) && [ -n "$now" ] && [ "$now" != "$1" ]; }

# As a drain does it, so that the budget is asked.
evict_leader() {
  local before
  before=$(leader)
  [ -n "$before" ] || die "nobody leads"
  cluster create --raw "/api/v1/namespaces/$system/pods/$before/eviction" -f - <<JSON
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "$before", "namespace": "$system"}}
JSON
  await 20 "another leader within the bound" another_leads "$before"
}

end_load() {
  cluster wait --for=condition=Complete igorjob/load --timeout=300s
  local done
  done=$(cluster get igorjob load -o 'jsonpath={.status.tasks.completed}/{.status.tasks.total}')
  [ "$done" = "$load_tasks/$load_tasks" ] || die "tasks succeeded: $done"
}

tell_state() {
  local name
  say "what the cluster looked like:"
  {
    cluster get igorjobs,igorlayers,igortasks -A
    cluster -n "$system" get pods,jobs -o wide
    cluster -n "$system" get events --sort-by=.lastTimestamp | tail -25
    for name in $(cluster -n "$system" get pods -o name); do
      echo "--- $name"
      cluster -n "$system" logs "$name" --tail=15 --all-containers
    done
  } >&2 || true
}
