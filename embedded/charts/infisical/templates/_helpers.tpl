{{/* Stand-in for Infisical's chart 0.4.2: names and labels. */}}

{{- define "infisical.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "infisical.backend.fullname" -}}
{{- $prefix := .Release.Name -}}
{{- if not (contains (include "infisical.name" .) .Release.Name) -}}
{{- $prefix = printf "%s-%s" .Release.Name (include "infisical.name" .) -}}
{{- end -}}
{{- .Values.backend.fullnameOverride | default (printf "%s-%s" $prefix .Values.backend.name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "infisical.backend.matchLabels" -}}
component: {{ .Values.backend.name | quote }}
app: {{ include "infisical.name" . }}
release: {{ .Release.Name }}
{{- end -}}

{{- define "infisical.backend.labels" -}}
{{ include "infisical.backend.matchLabels" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
heritage: {{ .Release.Service }}
{{- end -}}

{{- define "infisical.updatedAt" -}}
updatedAt: {{ now | date "2006-01-01 MST 15:04:05" | quote }}
{{- end -}}
