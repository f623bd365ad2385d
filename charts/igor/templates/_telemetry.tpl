{{/* Where the level of the log is read, in which form it is written, and where traces go. Takes (dict "root" $ "format" "json"). */}}
{{- define "igor.telemetryEnv" -}}
- {name: IGOR_LOG_FROM, value: /etc/igor/log/level}
- {name: IGOR_LOG_FORMAT, value: {{ .format }}}
{{- include "igor.tracingEnv" .root }}
{{- end }}

{{- define "igor.tracingEnv" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .sampleRatio | toString | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* The level of a component's log, which is read again when it changes: no checksum of it restarts a pod. Takes (dict "root" $ "name"
"what the component is called" "component" "its component" "log" "info"). */}}
{{- define "igor.logLevel" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "igor.metadata" (dict "root" .root "name" (printf "%s-log" .name) "component" .component) | nindent 2 }}
data:
  level: {{ .log | quote }}
{{- end }}
