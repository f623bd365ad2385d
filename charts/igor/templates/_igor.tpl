{{/* What resources are called: the release's name, with the chart's where it does not hold it. */}}
{{- define "igor.fullname" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "igor.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "igor.labels" -}}
{{ include "igor.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "igor.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (printf "%s-operator" (include "igor.fullname" .)) }}
{{- else -}}{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "igor.apiAccount" -}}
{{- with .Values.api.serviceAccount -}}
{{- if .create -}}{{ .name | default (printf "%s-api" (include "igor.fullname" $)) }}
{{- else -}}{{ .name | default "default" }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "igor.image" -}}
{{- with .Values.image -}}
{{- if not .repository -}}
{{- fail "set image.repository: Igor publishes no image yet; `make image` builds one" -}}
{{- end -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}
{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Name, namespace and labels of an object. Takes (dict "root" $ "name" "its name" "component" "its component, if of one"). */}}
{{- define "igor.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "igor.labels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
{{- end }}

{{/* Where a pod runs. Takes the values of a component. */}}
{{- define "igor.placement" -}}
{{- $component := . -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" }}
{{- with get $component $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a component's pods. Takes (dict "root" $ "component" "its name" "values" its values). */}}
{{- define "igor.podMetadata" -}}
labels:
  {{- include "igor.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
