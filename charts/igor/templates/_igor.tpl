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

{{- define "igor.image" -}}
{{- with .Values.image -}}
{{- if not .repository -}}
{{- fail "set image.repository: Igor publishes no image yet; build one that holds the program `igor` on its PATH" -}}
{{- end -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}
{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* An environment variable from a secret's key. Takes (dict "env" "secret" "key" "value": the value's name, for the message). */}}
{{- define "igor.secretEnv" -}}
{{- if not .secret -}}
{{- fail (printf "set %s: the name of a secret in the release's namespace whose key \"%s\" holds the address" .value .key) -}}
{{- end -}}
- name: {{ .env }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}
