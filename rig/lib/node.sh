# shellcheck shell=bash
# Needs rig.sh and what it sources.
# shellcheck disable=SC2154
# A real node beside the control plane, as root: containerd, kubelet, kube-proxy and CoreDNS in a network namespace of their own.
# Owns that namespace, $STATE/node and what the node leaves in mounts and cgroups.
#
#   control plane   this side of a pair of interfaces, $api_host
#   node            the namespace $net_name, $node_ip; pods 10.244.0.0/16, services 10.96.0.0/16

net_name=igor-node
node_name=node-1
node_ip=10.99.87.2
pod_cidr=10.244.0.0/16
service_cidr=10.96.0.0/16
cni_bin=${CNI_BIN:-/usr/lib/cni}
pause_image=localhost/pause:1
node=$STATE/node
containerd_socket=$node/containerd.sock

inside() { nsenter --net="/run/netns/$net_name" "$@"; }   # the network only: mounts and cgroups stay
containers() { ctr --address "$containerd_socket" -n k8s.io "$@"; }

# What this machine lacks for a node, a line each.
node_lacks() {
  local program package
  [ "$(id -u)" = 0 ] || echo "root"
  for program in containerd:containerd runc:runc ctr:containerd iptables:iptables conntrack:conntrack ip:iproute2 nsenter:util-linux; do
    package=${program#*:}
    command -v "${program%%:*}" >/dev/null || echo "${program%%:*} (apt-get install $package)"
  done
  [ -x "$cni_bin/bridge" ] || echo "CNI plugins in $cni_bin (apt-get install containernetworking-plugins)"
  [ -w /sys/fs/cgroup ] || echo "a writable /sys/fs/cgroup"
  ip netns list >/dev/null 2>&1 || echo "network namespaces"
}

# Where Debian's packages can be had.
install_what_node_lacks() {
  local packages
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
  packages=$(node_lacks | sed -n 's/.*(apt-get install \(.*\))$/\1/p' | sort -u)
  [ -n "$packages" ] || return 0
  say "installing what a node needs: $(echo "$packages" | xargs)"
  # shellcheck disable=SC2086
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $packages; } >"$STATE/apt.log" 2>&1 ||
    say "they could not be installed, see $STATE/apt.log"
}

build_node() {
  local out=$1 version program stamp="-X k8s.io/component-base/version"
  version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ {print $2; exit}' "$kube_module/go.mod")
  export CGO_ENABLED=0 GOFLAGS=-mod=readonly
  say "building the node's programs, once: about 5 minutes on 2 cores"
  for program in kube-scheduler kubelet kube-proxy; do
    (cd "$kube_module" && go build -trimpath -o "$out/$program" \
      -ldflags "-s -w $stamp.gitVersion=$version $stamp.gitMajor=1 $stamp.gitTreeState=clean" "k8s.io/kubernetes/cmd/$program") || return 1
  done
  (cd "$rig/coredns" && go build -trimpath -ldflags "-s -w" -o "$out/coredns" github.com/coredns/coredns) || return 1
  (cd "$rig/pause" && GOFLAGS='' go build -trimpath -ldflags "-s -w" -o "$out/pause" main.go)
}

find_node() {
  node_bin=$cache/node-$(cat "$kube_module/go.sum" "$rig/coredns/go.sum" | sha256sum | cut -c1-16)
  [ -d "$node_bin" ] || command -v go >/dev/null || die "a node's programs have to be built once, with Go (https://go.dev/dl)"
  keep "$node_bin" build_node || die "the node's programs could not be built"
}

# One node at a time on a machine: its network has a name and addresses.
lock_node() {
  exec 8>/run/lock/igor-node
  flock -w 1200 8 || die "another node of this rig is up on this machine"
}

# --- network ----------------------------------------------------------------------------------
make_net() {
  [ ! -e "/run/netns/$net_name" ] || return 0
  ip netns add "$net_name"
  ip link add "$net_name-h" type veth peer name eth0 netns "$net_name"
  ip addr add "$api_host/24" dev "$net_name-h"
  ip link set "$net_name-h" up
  inside ip link set lo up
  inside ip addr add "$node_ip/24" dev eth0
  inside ip link set eth0 up
  inside ip route add default via "$api_host"
  ip route add "$pod_cidr" via "$node_ip"
  ip route add "$service_cidr" via "$node_ip"
  inside sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
}

remove_net() {
  [ -e "/run/netns/$net_name" ] || return 0
  ip route del "$pod_cidr" via "$node_ip" 2>/dev/null || true
  ip route del "$service_cidr" via "$node_ip" 2>/dev/null || true
  ip link del "$net_name-h" 2>/dev/null || true
  ip netns del "$net_name" || true
}

# --- settings ---------------------------------------------------------------------------------
# What a control plane needs to know of nodes; before start_control_plane.
expect_node() {
  api_host=10.99.87.1
  controllers='*'
  apiserver_more=(--enable-admission-plugins=NodeRestriction --allow-privileged=true
    --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key"
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP)
  # The controller that signs certificates for nodes refuses to start without an authority's key.
  controller_manager_more=(--cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key")
}

make_node_keys() {
  [ ! -f "$pki/node.done" ] || return 0
  make_cert kubelet-client /O=system:masters/CN=apiserver-kubelet-client clientAuth
  make_cert scheduler /CN=system:kube-scheduler clientAuth
  make_cert kubelet "/O=system:nodes/CN=system:node:$node_name" clientAuth
  make_cert kubelet-server "/CN=$node_name" serverAuth "IP:$node_ip,DNS:$node_name"
  make_cert kube-proxy /CN=system:kube-proxy clientAuth
  make_cert coredns /CN=coredns clientAuth
  chmod 600 "$pki"/*.key
  touch "$pki/node.done"
}

write_node_settings() {
  local user
  mkdir -p "$node/cni" "$node/kubelet" "$node/root" "$node/state" "$node/podlogs"
  for user in kubelet kube-proxy coredns scheduler; do
    write_kubeconfig "$node/$user.kubeconfig" "$user" "$(certificate_of "$user")"
  done
  cat >"$node/containerd.toml" <<TOML
version = 2
root = "$node/root"
state = "$node/state"
[grpc]
  address = "$containerd_socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  restrict_oom_score_adj = true   # where CAP_SYS_RESOURCE is missing runc cannot lower it
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$cni_bin"
    conf_dir = "$node/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
TOML
  cat >"$node/cni/10-bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$node/ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  : >"$node/resolv.conf"
  cat >"$node/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$pki/ca.crt"}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-server.crt
tlsPrivateKeyFile: $pki/kubelet-server.key
containerRuntimeEndpoint: unix://$containerd_socket
cgroupDriver: cgroupfs
failCgroupV1: false
cgroupRoot: /
failSwapOn: false
protectKernelDefaults: false   # kubelet sets some; stop_node puts them back
clusterDNS: ["$node_ip"]
clusterDomain: cluster.local
resolvConf: $node/resolv.conf
podLogsDir: $node/podlogs
staticPodPath: ""
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
enforceNodeAllocatable: [pods]
nodeStatusUpdateFrequency: 4s
syncFrequency: 10s
oomScoreAdj: 0
YAML
  cat >"$node/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: "$node/kube-proxy.kubeconfig"}
mode: iptables
clusterCIDR: $pod_cidr
hostnameOverride: $node_name
bindAddress: $node_ip
oomScoreAdj: 0
healthzBindAddress: $node_ip:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}   # not ours in a namespace
iptables: {minSyncPeriod: 0s}
YAML
  cat >"$node/Corefile" <<CORE
.:53 {
  bind $node_ip
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $node/coredns.kubeconfig
    pods insecure
    ttl 5
  }
}
CORE
}

# --- up and down ------------------------------------------------------------------------------
kernel_settings="vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes"
keep_kernel_settings() {
  local name
  [ ! -f "$STATE/sysctls" ] || return 0
  for name in $kernel_settings; do echo "$name=$(sysctl -n "$name")"; done >"$STATE/sysctls"
}

dns_role() {
  cluster apply -f - >/dev/null <<'YAML'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{kind: User, name: coredns, apiGroup: rbac.authorization.k8s.io}]
YAML
}

containerd_answers() { containers version >/dev/null 2>&1; }
node_ready() {
  alive kubelet || { tail -5 "$STATE/logs/kubelet.log" >&2; die "kubelet ended"; }
  [ "$(cluster get node "$node_name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]
}

start_node() {
  local in_net=(nsenter --net="/run/netns/$net_name")
  write_node_settings
  keep_kernel_settings
  python3 "$rig/oci_image.py" -o "$node/pause.tar" -t "$pause_image" --add "$node_bin/pause:/pause" --entrypoint /pause >/dev/null
  spawn scheduler "$node_bin/kube-scheduler" --kubeconfig="$node/scheduler.kubeconfig" --leader-elect=false --bind-address=127.0.0.1 \
    --secure-port="$(free_port)" --cert-dir="$kube" --authentication-kubeconfig="$node/scheduler.kubeconfig" \
    --authorization-kubeconfig="$node/scheduler.kubeconfig" --profiling=false
  spawn containerd "${in_net[@]}" containerd --config "$node/containerd.toml" --log-level warn
  await 20 containerd containerd_answers
  containers images import "$node/pause.tar" >/dev/null
  dns_role
  spawn kubelet "${in_net[@]}" "$node_bin/kubelet" --config="$node/kubelet.yaml" --kubeconfig="$node/kubelet.kubeconfig" \
    --root-dir="$node/kubelet" --cert-dir="$node/kubelet/pki" --hostname-override="$node_name" --node-ip="$node_ip" --v=1
  spawn kube-proxy "${in_net[@]}" "$node_bin/kube-proxy" --config="$node/kube-proxy.yaml"
  spawn coredns "${in_net[@]}" "$node_bin/coredns" -conf "$node/Corefile"
  await 90 "the node (see $STATE/logs/kubelet.log)" node_ready
}

# By the runtime's own records, so that it works with the API server gone.
remove_pods() {
  local id round
  for round in kill delete; do
    for id in $(containers containers list -q 2>/dev/null); do
      if [ "$round" = kill ]; then
        containers tasks kill -s KILL "$id" >/dev/null 2>&1 || true
      else
        containers tasks delete -f "$id" >/dev/null 2>&1 || true
        containers containers delete "$id" >/dev/null 2>&1 || true
      fi
    done
  done
}

# The shims outlive containerd by design: those that name this very socket go.
end_shims() {
  local process
  for process in /proc/[0-9]*; do
    case $({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) in
      *containerd-shim-runc-v2*"-address $containerd_socket"*) kill -KILL "${process#/proc/}" 2>/dev/null || true ;;
    esac
  done
}

stop_node() {
  local name folder
  for name in kubelet kube-proxy coredns scheduler; do stop_process "$name" 30; done
  ! alive containerd || remove_pods
  end_shims
  stop_process containerd 30
  awk -v below="$node/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l 2>/dev/null || true
  for folder in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/k8s.io; do
    [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  [ ! -f "$STATE/sysctls" ] || { xargs -a "$STATE/sysctls" -n1 sysctl -qw 2>/dev/null || true; rm -f "$STATE/sysctls"; }
  rm -rf "$node"
}
