{{/* Name of the secret with a store's address. Takes (dict "root" $ "store" "postgres" "values" the values that name it). */}}
{{- define "igor.storeSecret" -}}
{{- if .values.existingSecret -}}{{ .values.existingSecret }}
{{- else if .root.Values.devStores.enabled -}}{{ include "igor.fullname" .root }}-dev-{{ .store }}
{{- else -}}
{{- fail (printf "set %s.existingSecret: the name of a secret in the release's namespace whose key %q holds the address, or that has its parts; or devStores.enabled, to try Igor out" .store .values.key) -}}
{{- end -}}
{{- end }}

{{/* The values that name the secret workers use for Redis. */}}
{{- define "igor.workerRedis" -}}
{{- ternary .Values.redis.workers .Values.redis (ne .Values.redis.workers.existingSecret "") | toJson -}}
{{- end }}

{{/* A secret's key as a file. Takes (dict "secret" "key" "path"). */}}
{{- define "igor.secretFile" -}}
- secret:
    name: {{ .secret }}
    items:
    - {key: {{ .key }}, path: {{ .path }}}
{{- end }}

{{/*
A store's address or its parts, and certificates, as files. Takes (dict "root" $ "store" "values" the values that name the secret).
Which of the keys a secret has is seen where it is read: optional.
*/}}
{{- define "igor.storeFiles" -}}
{{- $tls := (get .root.Values .store).tls -}}
- secret:
    name: {{ include "igor.storeSecret" . }}
    optional: true
    items:
    - {key: {{ .values.key }}, path: {{ .store }}/uri}
    {{- range $part, $key := (get .root.Values .store).keys }}
    - {key: {{ $key }}, path: {{ $.store }}/{{ $part }}}
    {{- end }}
{{- with $tls.caSecret }}
{{ include "igor.secretFile" (dict "secret" . "key" $tls.caKey "path" (printf "%s/ca.crt" $.store)) }}
{{- end }}
{{- with $tls.clientSecret }}
{{ include "igor.secretFile" (dict "secret" . "key" "tls.crt" "path" (printf "%s/tls.crt" $.store)) }}
{{ include "igor.secretFile" (dict "secret" . "key" "tls.key" "path" (printf "%s/tls.key" $.store)) }}
{{- end }}
{{- end }}

{{/* The volume with both. Takes (dict "root" $ "postgres" its values or nothing "redis" its values or nothing). */}}
{{- define "igor.storesVolume" -}}
- name: stores
  projected:
    defaultMode: 288   # 0440
    sources:
    {{- with .postgres }}
    {{- include "igor.storeFiles" (dict "root" $.root "store" "postgres" "values" .) | nindent 4 }}
    {{- end }}
    {{- with .redis }}
    {{- include "igor.storeFiles" (dict "root" $.root "store" "redis" "values" .) | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "igor.postgresEnv" -}}
- {name: DATABASE_URL_FILE, value: /etc/igor/stores/postgres}
{{- with .Values.postgres.tls }}
{{- with .mode }}
- {name: PGSSLMODE, value: {{ . }}}
{{- end }}
{{- if .caSecret }}
- {name: PGSSLROOTCERT, value: /etc/igor/stores/postgres/ca.crt}
{{- end }}
{{- if .clientSecret }}
- {name: PGSSLCERT, value: /etc/igor/stores/postgres/tls.crt}
- {name: PGSSLKEY, value: /etc/igor/stores/postgres/tls.key}
{{- end }}
{{- end }}
{{- end }}

{{- define "igor.redisEnv" -}}
- {name: REDIS_URL_FILE, value: /etc/igor/stores/redis}
- {name: IGOR_PREFIX, value: {{ .Values.redis.prefix | quote }}}
{{- with .Values.redis.tls }}
{{- with .mode }}
- {name: REDIS_TLS_MODE, value: {{ . }}}
{{- end }}
{{- if .caSecret }}
- {name: REDIS_CA_FILE, value: /etc/igor/stores/redis/ca.crt}
{{- end }}
{{- if .clientSecret }}
- {name: REDIS_CERT_FILE, value: /etc/igor/stores/redis/tls.crt}
- {name: REDIS_KEY_FILE, value: /etc/igor/stores/redis/tls.key}
{{- end }}
{{- end }}
{{- end }}
