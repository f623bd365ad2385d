# shellcheck shell=bash
# Needs rig.sh and what it sources.
# shellcheck disable=SC2154
# A real Kubernetes control plane without root, containers or network: etcd, kube-apiserver, kube-controller-manager.
# Owns $STATE/kube (keys, etcd's data) and $STATE/*.kubeconfig.

kube=$STATE/kube
pki=$kube/pki
admin_kubeconfig=$STATE/admin.kubeconfig
operator_kubeconfig=$STATE/operator.kubeconfig api_kubeconfig=$STATE/api.kubeconfig
# What jobs need: collection of owned objects, namespaces, service accounts. Nothing here runs pods.
controllers=${controllers:-garbage-collector-controller,namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller}

# Where the API server listens. Another address than loopback is a node's affair (node.sh), and what else that needs.
api_host=${api_host:-127.0.0.1}
apiserver_more=() controller_manager_more=()

cluster() { "$kubectl_program" --kubeconfig "$admin_kubeconfig" "$@"; }

# --- keys -------------------------------------------------------------------------------------
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# make_authority NAME SUBJECT
make_authority() {
  new_key "$pki/$1.key"
  openssl req -x509 -new -key "$pki/$1.key" -subj "$2" -days 365 -out "$pki/$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

# make_cert NAME SUBJECT USAGE [NAMES]
make_cert() {
  new_key "$pki/$1.key"
  openssl req -new -key "$pki/$1.key" -subj "$2" -out "$pki/$1.csr"
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=$3"
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
  } >"$pki/$1.ext"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -set_serial "0x$(openssl rand -hex 8)" \
    -days 365 -extfile "$pki/$1.ext" -out "$pki/$1.crt" 2>/dev/null
  rm -f "$pki/$1.csr" "$pki/$1.ext"
}

make_keys() {
  # Kept while they are valid for another day.
  if [ -f "$pki/done" ] && openssl x509 -checkend 86400 -noout -in "$pki/ca.crt" >/dev/null; then return; fi
  need openssl openssl
  rm -rf "$pki"
  mkdir -p "$kube"
  mkdir -m 700 "$pki"
  make_authority ca /CN=igor-rig-ca
  make_cert apiserver /CN=kube-apiserver serverAuth,clientAuth \
    "IP:$api_host,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  make_cert admin /O=system:masters/CN=admin clientAuth
  make_cert controller-manager /CN=system:kube-controller-manager clientAuth
  new_key "$pki/sa.key"
  openssl pkey -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
  chmod 600 "$pki"/*.key
  touch "$pki/done"
}

encoded() { base64 -w0 <"$1"; }

# write_kubeconfig FILE USER CREDENTIALS
write_kubeconfig() {
  cat >"$1.new" <<YAML
apiVersion: v1
kind: Config
current-context: igor
clusters:
- name: igor
  cluster: {server: "https://$api_host:$api_port", certificate-authority-data: $(encoded "$pki/ca.crt")}
contexts:
- name: igor
  context: {cluster: igor, user: $2, namespace: default}
users:
- name: $2
  user: {$3}
YAML
  chmod 600 "$1.new"
  mv "$1.new" "$1"
}

certificate_of() { echo "client-certificate-data: $(encoded "$pki/$1.crt"), client-key-data: $(encoded "$pki/$1.key")"; }

# --- processes --------------------------------------------------------------------------------
start_etcd() {
  mkdir -p "$kube/etcd"
  chmod 700 "$kube/etcd"
  spawn etcd "$kube_bin/etcd" --name=igor --data-dir="$kube/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="http://127.0.0.1:$etcd_port" --advertise-client-urls="http://127.0.0.1:$etcd_port" \
    --listen-peer-urls="http://127.0.0.1:$peer_port" --initial-advertise-peer-urls="http://127.0.0.1:$peer_port" \
    --initial-cluster="igor=http://127.0.0.1:$peer_port"
}

start_apiserver() {
  local more=("${apiserver_more[@]}")
  # Without controllers nobody makes service accounts, and pods would wait for one.
  [ -x "$kube_bin/kube-controller-manager" ] || more+=(--disable-admission-plugins=ServiceAccount)
  # The endpoints of the service "kubernetes" may not be loopback: nobody reconciles them then.
  [[ $api_host != 127.* ]] || more+=(--endpoint-reconciler-type=none)
  # Which rights are used, for rig/rights-used; its file is not rotated away under it.
  [ "${AUDIT:-0}" = 0 ] || more+=(--audit-policy-file="$root/rig/audit-policy.yaml" --audit-log-path="$STATE/logs/audit.log" --audit-log-maxsize=4096)
  spawn apiserver "$kube_bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" \
    --bind-address="$api_host" --advertise-address="$api_host" --secure-port="$api_port" \
    --cert-dir="$kube" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --client-ca-file="$pki/ca.crt" --authorization-mode=Node,RBAC --service-cluster-ip-range=10.96.0.0/16 \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$pki/sa.pub" \
    --service-account-signing-key-file="$pki/sa.key" --profiling=false "${more[@]}"
}

start_controller_manager() {
  [ -x "$kube_bin/kube-controller-manager" ] || return 0
  spawn controller-manager "$kube_bin/kube-controller-manager" --kubeconfig="$kube/controller-manager.kubeconfig" \
    --controllers="$controllers" --leader-elect=false --use-service-account-credentials=true \
    --bind-address=127.0.0.1 --secure-port="$kcm_port" --cert-dir="$kube" \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
    --authentication-kubeconfig="$kube/controller-manager.kubeconfig" \
    --authorization-kubeconfig="$kube/controller-manager.kubeconfig" \
    --kube-api-qps=200 --kube-api-burst=400 --profiling=false "${controller_manager_more[@]}"
}

api_ready() {
  alive etcd || { tail -5 "$STATE/logs/etcd.log" >&2; die "etcd ended"; }
  alive apiserver || { tail -5 "$STATE/logs/apiserver.log" >&2; die "kube-apiserver ended"; }
  api_answers /readyz
}

api_answers() {
  curl -fsS -m 2 --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" "https://$api_host:$api_port$1" >/dev/null 2>&1
}

# Fresh ports each time nothing of ours runs: a kept one may be another's by now.
choose_api_ports() {
  if [ -f "$kube/ports" ] && { alive etcd || alive apiserver || alive controller-manager; }; then
    # shellcheck disable=SC1091
    . "$kube/ports"
    return
  fi
  api_port=$(free_port) etcd_port=$(free_port) peer_port=$(free_port) kcm_port=$(free_port)
  printf '%s\n' "api_port=$api_port" "etcd_port=$etcd_port" "peer_port=$peer_port" "kcm_port=$kcm_port" >"$kube/ports"
}

start_control_plane() {
  need curl curl
  make_keys
  choose_api_ports
  write_kubeconfig "$admin_kubeconfig" admin "$(certificate_of admin)"
  write_kubeconfig "$kube/controller-manager.kubeconfig" controller-manager "$(certificate_of controller-manager)"
  start_etcd
  start_apiserver
  await 60 kube-apiserver api_ready
}

stop_control_plane() {
  stop_process controller-manager 30
  # One with open watches would drain for a minute; its state is in etcd.
  stop_process apiserver 20
  stop_process etcd 50
}

# --- what the cluster holds -------------------------------------------------------------------
# The controllers start behind the CRDs: their garbage collector looks for new kinds only each 30 s.
install_igor() {
  local crds=$root/crds rbac=$root/config/rbac api=$root/config/api before=$STATE/kube/crds.applied now
  mkdir -p "$kube"
  if compgen -G "$crds/*.yaml" >/dev/null; then
    now=$(cat "$crds"/*.yaml | sha256sum)
    if [ "$(cat "$before" 2>/dev/null)" != "$now" ]; then
      cluster apply --server-side --force-conflicts -f "$crds" >/dev/null
      cluster wait --for=condition=Established --timeout=30s -f "$crds" >/dev/null
      [ -n "${IGOR_TEST_KUBECONFIG:-}" ] || stop_process controller-manager 30
      echo "$now" >"$before"
    fi
  fi
  [ -n "${IGOR_TEST_KUBECONFIG:-}" ] || start_controller_manager
  cluster create namespace igor-system >/dev/null 2>&1 || cluster get namespace igor-system >/dev/null
  ! compgen -G "$rbac/kustomization.yaml" >/dev/null || cluster apply --server-side --force-conflicts -k "$rbac" >/dev/null
  ! compgen -G "$api/rbac.yaml" >/dev/null || cluster apply --server-side --force-conflicts -f "$api/rbac.yaml" >/dev/null
  write_account_kubeconfigs
}

# Operator and API run with the roles they ship with, so that a missing right shows.
write_account_kubeconfigs() {
  write_account_kubeconfig igor-operator "$operator_kubeconfig" || operator_kubeconfig=$admin_kubeconfig
  write_account_kubeconfig igor-api "$api_kubeconfig" || api_kubeconfig=$admin_kubeconfig
}

# write_account_kubeconfig ACCOUNT FILE
write_account_kubeconfig() {
  local token account=$1 file=$2
  cluster -n igor-system get serviceaccount "$account" >/dev/null 2>&1 || return 1
  token=$(cluster -n igor-system create token "$account" --duration=720h)
  cluster config view --minify --flatten --raw >"$file.new"
  (
    admin_kubeconfig=$file.new
    user=$(cluster config view -o 'jsonpath={.users[0].name}')
    cluster config unset "users.$user"
    cluster config set-credentials "$account" --token="$token"
    cluster config set-context --current --user="$account"
  ) >/dev/null
  chmod 600 "$file.new"
  mv "$file.new" "$file"
}

service_account_made() { [ ! -x "$kube_bin/kube-controller-manager" ] || api_answers /api/v1/namespaces/default/serviceaccounts/default; }
