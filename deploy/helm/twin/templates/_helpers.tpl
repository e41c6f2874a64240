{{/* Names, labels and what the pods of the twin have in common. */}}

{{- define "twin.name" -}}
{{- .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that a pod's name with its part, replica and ordinal is a host name. */}}
{{- define "twin.fullname" -}}
{{- if contains (include "twin.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "twin.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select a part. Call with (dict "root" $ "part" "emulator"). */}}
{{- define "twin.selector" -}}
app.kubernetes.io/name: {{ include "twin.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "twin.labels" -}}
{{ include "twin.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: datacenter-twin
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* Call with (dict "image" … "default" tag). */}}
{{- define "twin.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .default }}
{{- end -}}
{{- end -}}

{{- define "twin.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "twin.fullname" .) -}}
{{- end -}}

{{/* The addresses of the broker as one value of --broker. Call with (dict "root" $ "as" who). */}}
{{- define "twin.broker" -}}
{{- $values := .root.Values -}}
{{- $urls := $values.broker.urls -}}
{{- if $values.mosquitto.enabled -}}
{{- $urls = list (printf "mqtt://%s-mosquitto:1883" (include "twin.fullname" .root)) -}}
{{- end -}}
{{- $as := .as -}}
{{- $addresses := list -}}
{{- range $urls -}}
{{- $scheme := index (splitList "://" .) 0 -}}
{{- $host := index (splitList "://" .) 1 -}}
{{- $user := ternary (printf "%s@" ($as.username | urlquery | replace "+" "%20")) "" (ne $as.username "") -}}
{{- $query := list -}}
{{- if $as.passwordSecret -}}
{{- $query = append $query "password_file=/run/secrets/twin/broker/password" -}}
{{- end -}}
{{- if and $values.broker.ca.secret (eq $scheme "mqtts") -}}
{{- $query = append $query "ca=/run/secrets/twin/ca/ca.crt" -}}
{{- end -}}
{{- $addresses = append $addresses (printf "%s://%s%s%s" $scheme $user $host (ternary (printf "?%s" (join "&" $query)) "" (gt (len $query) 0))) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}

{{/* Environment of every container. Call with (dict "root" $ "as" who "logLevel" level). */}}
{{- define "twin.environment" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: TWIN_SITE
  value: {{ ternary "/etc/twin/site/site.yaml" .root.Values.site.name (ne .root.Values.site.definition "") | quote }}
- name: TWIN_BROKER
  value: {{ include "twin.broker" . | quote }}
- name: TWIN_LOG_LEVEL
  value: {{ .logLevel | quote }}
{{- end -}}

{{/* Mounts of every container. Call with (dict "root" $ "as" who). */}}
{{- define "twin.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .as.passwordSecret }}
- {name: broker, mountPath: /run/secrets/twin/broker, readOnly: true}
{{- end }}
{{- if .root.Values.broker.ca.secret }}
- {name: ca, mountPath: /run/secrets/twin/ca, readOnly: true}
{{- end }}
{{- if .root.Values.site.definition }}
- {name: site, mountPath: /etc/twin/site, readOnly: true}
{{- end }}
{{- end -}}

{{- define "twin.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- with .as.passwordSecret }}
- name: broker
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: {{ $.as.passwordKey | quote }}, path: password}]
{{- end }}
{{- with .root.Values.broker.ca }}
{{- if .secret }}
- name: ca
  secret:
    secretName: {{ .secret }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- if .root.Values.site.definition }}
- name: site
  configMap: {name: {{ include "twin.fullname" .root }}-site}
{{- end }}
{{- end -}}

{{/* What all pods of the twin share. Call with (dict "root" $ "part" name "of" values). */}}
{{- define "twin.pod" -}}
serviceAccountName: {{ include "twin.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .of.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "twin.selector" . | nindent 8 }}
{{- end -}}

{{/* Folder of --state and its claim. Call with (dict "root" $ "of" values). */}}
{{- define "twin.claim" -}}
{{- if .of.persistence.enabled }}
persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
volumeClaimTemplates:
  - metadata: {name: state}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .of.persistence.storageClass }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources: {requests: {storage: {{ .of.persistence.size }}}}
{{- end }}
{{- end -}}

{{/* Letters of the aggregators' replicas. */}}
{{- define "twin.replicas" -}}
{{- ternary "a b" "a" (eq (int .Values.aggregator.replicas) 2) -}}
{{- end -}}

{{- define "twin.scheme" -}}
{{- ternary "https" "http" (ne .Values.aggregator.tlsSecret "") -}}
{{- end -}}

{{/* What cannot work is refused before anything is made. */}}
{{- define "twin.check" -}}
{{- if and (not .Values.mosquitto.enabled) (not .Values.broker.urls) -}}
{{- fail "no broker is set: list its nodes in broker.urls, or set mosquitto.enabled=true for a trial" -}}
{{- end -}}
{{- if and .Values.mosquitto.enabled .Values.broker.urls -}}
{{- fail "two brokers are set: set mosquitto.enabled=false to use broker.urls" -}}
{{- end -}}
{{- if and (gt (int .Values.emulator.shards) 1) (not .Values.facility.enabled) -}}
{{- fail "no pod runs the facility: with emulator.shards above 1 set facility.enabled=true" -}}
{{- end -}}
{{- if and (eq (int .Values.emulator.shards) 1) .Values.facility.enabled -}}
{{- fail "two pods run the facility: with one emulator set facility.enabled=false" -}}
{{- end -}}
{{- if and .Values.aggregator.injectTokenSecret (not .Values.aggregator.allowInject) -}}
{{- fail "aggregator.injectTokenSecret has no effect: set aggregator.allowInject=true, or leave it out" -}}
{{- end -}}
{{- if and .Values.monitoring.scrapeConfig.enabled .Values.monitoring.serviceMonitor.enabled -}}
{{- fail "the site is scraped twice: enable monitoring.scrapeConfig or monitoring.serviceMonitor, not both" -}}
{{- end -}}
{{- end -}}

{{/* How Prometheus shows the token and knows the certificate. */}}
{{- define "twin.access" -}}
{{- with .Values.aggregator.tokenSecret -}}
authorization:
  credentials: {name: {{ . }}, key: {{ $.Values.aggregator.tokenKey }}}
{{- end -}}
{{- with .Values.aggregator.tlsSecret }}
tlsConfig:
  ca: {secret: {name: {{ . }}, key: ca.crt}}
{{- end -}}
{{- end -}}
