{{/* Stand-in for Infisical's chart 1.10.0: names and labels. */}}

{{- define "infisical.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "infisical.fullname" -}}
{{- $prefix := .Release.Name -}}
{{- if not (contains (include "infisical.name" .) .Release.Name) -}}
{{- $prefix = printf "%s-%s" .Release.Name (include "infisical.name" .) -}}
{{- end -}}
{{- $name := printf "%s-%s" $prefix .Values.infisical.name -}}
{{- .Values.infisical.fullnameOverride | default $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "infisical.roleName" -}}
{{- printf "%s-infisical" .Release.Name -}}
{{- end -}}

{{- define "infisical.serviceAccountName" -}}
{{- if .Values.infisical.serviceAccount.create -}}
{{- include "infisical.roleName" . -}}
{{- else -}}
{{- .Values.infisical.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "infisical.matchLabels" -}}
component: {{ .Values.infisical.name | quote }}
app: {{ include "infisical.name" . }}
release: {{ .Release.Name }}
{{- end -}}

{{- define "infisical.labels" -}}
{{ include "infisical.matchLabels" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
heritage: {{ .Release.Service }}
{{- end -}}

{{- define "infisical.updatedAt" -}}
updatedAt: {{ now | date "2006-01-01 MST 15:04:05" | quote }}
{{- end -}}
