{{- /* Names are cut to 15 characters, as upstream cuts them. */ -}}
{{- define "fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 15 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 15 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 15 | trimSuffix "-" }}
{{- end -}}
{{- end }}
{{- define "account" -}}
{{ .Values.controllerManager.serviceAccount.name | default (printf "%s-controller-manager" (include "fullname" .)) }}
{{- end }}
{{- define "selector" -}}
control-plane: controller-manager
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "scope" -}}
{{- $scope := .Values.scopedNamespaces | default (.Values.scopedNamespace | list | compact) -}}
{{- if .Values.scopedRBAC }}{{ join "," $scope }}{{ end }}
{{- end }}
