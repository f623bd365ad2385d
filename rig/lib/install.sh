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
load_tasks=240
# Within which another operator leads (docs/reliability.md).
takeover_ms=20000

# step NAME COMMAND...
step() {
  local name=$1 start seconds
  shift
  start=$(now_ms)
  say "$name …"
  "$@"
  seconds=$((($(now_ms) - start) / 100))
  table+=("$(printf '%-50s %4d.%d s' "$name" $((seconds / 10)) $((seconds % 10)))")
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

# Under the names that the chart asks for, so that nothing is pulled.
load_images() {
  local archive
  for archive in igor fractal postgres redis; do containers images import "target/image/$archive.tar" >/dev/null; done
  containers images tag --force localhost/igor-dev-postgres:1 "$(image_of postgres)" >/dev/null
  containers images tag --force localhost/igor-dev-redis:1 "$(image_of redis)" >/dev/null
}

# The image of a store for trying out, as the runtime calls it.
image_of() { echo "docker.io/library/$("$helm" show values charts/igor | sed -n "s/^    image: \($1:.*\)/\1/p")"; }

take_down() {
  stop_node
  stop_control_plane
  remove_net
  rm -rf "$kube/etcd"
}

chart() { "$helm" --kubeconfig "$admin_kubeconfig" --namespace "$system" "$@"; }

# Values that every install here has.
image_values=(--set "image.repository=localhost/igor,image.tag=$version")

# type_page PAGE: runs its blocks of commands that are marked `sh typed`, one by one and as they stand, but for the name of the registry.
type_page() {
  local programs=$STATE/programs commands=$STATE/typed
  awk '/^```sh typed$/ {on = 1; next} /^```/ {on = 0} on' "$1" | sed 's#REGISTRY/#localhost/#' >"$commands"
  grep -q 'helm install' "$commands" || die "$1 has no block \`sh typed\` with helm install"
  mkdir -p "$programs"
  ln -sf "$kubectl_program" "$programs/kubectl"
  ln -sf "$helm" "$programs/helm"
  # In the node's network, where no port of this machine is taken; what goes on in the background ends with the page.
  PATH=$programs:$PATH KUBECONFIG=$admin_kubeconfig inside bash -c "set -euo pipefail; trap 'jobs -p | xargs -r kill' EXIT; set -x; . '$commands'"
}

# From outside of the pod network, by the Service's address; whoever may view jobs sees them, and nobody else.
ask_api() {
  local address token
  address=$(cluster -n "$system" get service igor-api -o 'jsonpath={.spec.clusterIP}')
  token=$(cluster create token default)
  curl -fsS -H "Authorization: Bearer $token" "http://$address/api/v2/namespaces/default/jobs/hello" | grep '"status":"COMPLETED"' >/dev/null
  [ "$(curl -sS -o /dev/null -w '%{http_code}' "http://$address/api/v2/namespaces/default/jobs/hello")" = 401 ]
}

# Workers of a language of their own, in an image of their own.
run_demo() {
  chart upgrade igor charts/igor --reuse-values --wait --timeout 3m -f - <<YAML
workers:
- {name: try, slots: 4}
- name: fractal
  types: [render, join, checksum, publish]
  slots: 4
  image: localhost/igor-fractal:$version
  exec: [python3, /opt/fractal/fractal.py]
  extraEnv: [{name: IGOR_OUTPUT, value: /tmp/render}]
YAML
  run_job examples/render.yaml 300
}

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

# Who was replaced or evicted may still be listed, and gone before its log is asked for.
nobody_ends() { [ -z "$(cluster -n "$system" get pods -o 'jsonpath={.items[*].metadata.deletionTimestamp}')" ]; }

nothing_secret_is_told() {
  await 60 "the pods that end are gone" nobody_ends
  cluster -n "$system" rollout status deployment/igor-operator --timeout=60s
  told >"$STATE/told"
  grep -q igor_leader "$STATE/told" && grep -q '"leading"' "$STATE/told" || die "not all was looked at, see $STATE/told"
  ! grep -q "$canary" "$STATE/told" || die "the stores' password is told, see $STATE/told"
}

uninstall() { chart uninstall igor --wait --timeout 2m; }
uninstall_amid() {
  [ "$(completed)" -lt "$load_tasks" ] || die "the job was done before: give load_tasks more"
  uninstall
}

left_behind() {
  local job
  cluster get crd igorjobs.igor.dev igorlayers.igor.dev igortasks.igor.dev
  for job in "$@"; do cluster get igorjob "$job"; done
}

# A release of nothing but stores: no operator, no rights.
install_stores() {
  chart install stores charts/igor "${image_values[@]}" --wait --timeout 2m --set "devStores.enabled=true,devStores.password=$canary" \
    --set operator.replicas=0,crds.enabled=false,rbac.create=false,rbac.aggregateToView=false,rbac.aggregateToEdit=false
}

real_values() {
  cat <<YAML
postgres: {existingSecret: stores-igor-dev-postgres}
redis: {existingSecret: stores-igor-dev-redis}
operator: {replicas: 2, podAnnotations: {round: "$1"}}
api: {enabled: true, replicas: 1, podAnnotations: {round: "$1"}}
workers:
- {name: load, types: [sleep], slots: 4, podAnnotations: {round: "$1"}}
- {name: scaled, types: [echo], podAnnotations: {round: "$1"}, hpa: {minReplicas: 1, maxReplicas: 2}}
YAML
}

install_for_real() {
  real_values 1 | chart install igor charts/igor "${image_values[@]}" --wait --timeout 2m -f -
  cluster -n "$system" get hpa igor-worker-scaled
}
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
  [ "$rounds" = "$1 $1 $1 $1 $1" ]
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

completed() { cluster get igorjob load -o 'jsonpath={.status.tasks.completed}' 2>/dev/null || true; }
has_results() { [ "$(completed)" -gt 0 ] 2>/dev/null; }

# Notes when the number of finished tasks was seen to move, until it is killed.
watch_load() {
  local seen='' now
  while :; do
    now=$(completed)
    [ "$now" = "$seen" ] || now_ms
    seen=$now
    sleep 0.2
  done >"$STATE/moved"
}

# under_load COMMAND: while it runs, tasks go on ending; how long none did is told, and is not longer than a takeover may take.
under_load() {
  local watcher longest
  watch_load &
  watcher=$!
  "$@" || { kill "$watcher"; return 1; }
  kill "$watcher"
  now_ms >>"$STATE/moved"
  longest=$(awk 'NR > 1 && $1 - before > longest {longest = $1 - before} {before = $1} END {print longest}' "$STATE/moved")
  say "$1: the longest time without a finished task was $longest ms (bound $takeover_ms ms)"
  [ "$longest" -le "$takeover_ms" ]
}

leader() { cluster -n "$system" get lease igor-operator -o 'jsonpath={.spec.holderIdentity}'; }
# After a roll-out the lease may for a moment still name a pod that is gone.
leader_lives() { cluster -n "$system" get pod "$(leader)" >/dev/null 2>&1; }
another_leads() { local now; now=$(leader) && [ -n "$now" ] && [ "$now" != "$1" ]; }

# As a drain does it, so that the budget is asked.
evict_leader() {
  local before start
  await $((takeover_ms / 1000)) "a leader whose pod is there" leader_lives
  before=$(leader)
  cluster create --raw "/api/v1/namespaces/$system/pods/$before/eviction" -f - >/dev/null <<JSON
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "$before", "namespace": "$system"}}
JSON
  start=$(now_ms)
  await $((takeover_ms / 1000)) "another leader within the bound" another_leads "$before"
  say "another operator led after $(($(now_ms) - start)) ms (bound $takeover_ms ms)"
}

end_load() {
  cluster wait --for=condition=Complete igorjob/load --timeout=300s
  local done
  done=$(cluster get igorjob load -o 'jsonpath={.status.tasks.completed}/{.status.tasks.total}')
  [ "$done" = "$load_tasks/$load_tasks" ] || die "tasks succeeded: $done"
}

# config/default as its own comment says, with the secrets and the image of this place; its worker is the stores' release's.
install_by_kustomize() {
  local store copy=$STATE/config
  for store in postgres redis; do
    cluster -n "$system" create secret generic "igor-$store" \
      --from-literal="uri=$(cluster -n "$system" get secret "stores-igor-dev-$store" -o 'jsonpath={.data.uri}' | base64 -d)"
  done
  rm -rf "$copy"
  cp -R config "$copy"
  sed -i "s#set-the-image.invalid/igor#localhost/igor#" "$copy/default/kustomization.yaml"
  cluster apply --server-side -k "$copy/default"
  cluster -n "$system" rollout status deployment/igor-operator --timeout=60s
  chart upgrade stores charts/igor --reuse-values --wait --timeout 2m --set-json 'workers=[{"name": "try"}]'
  sed 's/^  name: hello$/  name: hello-again/' examples/hello.yaml >"$STATE/hello-again.yaml"
  run_job "$STATE/hello-again.yaml"
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
