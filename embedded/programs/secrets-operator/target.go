package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	versionAnnotation  = "secrets.infisical.com/version"
	managedLabels      = "secrets.infisical.com/managed-labels"
	managedAnnotations = "secrets.infisical.com/managed-annotations"
	condition          = "secrets.infisical.com/LastReconcile"
)

func (o *operator) reconcileStatic(static object) (time.Duration, error) {
	redeployed, err := o.deliver(static)
	if err != nil {
		static.setCondition(condition+"Status", "False", "Error", fmt.Sprintf("Reconciliation failed: %v", err))
		o.saveStatus(static, "infisicalstaticsecrets")
		return 0, err
	}
	told := fmt.Sprintf("%d deployments were redeployed due to secret changes", redeployed)
	static.setCondition(condition+"AffectedDeployments", "True", "OK", told)
	static.setCondition(condition+"Status", "True", "OK", "Reconciliation successful")
	now := time.Now().UTC().Format(time.RFC3339)
	static.setCondition("secrets.infisical.com/LastSuccessfulReconcileAt", "True", "OK", now)
	o.saveStatus(static, "infisicalstaticsecrets")
	return interval(static.text("spec", "syncOptions", "refreshInterval"))
}

// deliver writes every target; the first that fails stops those after it.
func (o *operator) deliver(static object) (int, error) {
	if _, err := interval(static.text("spec", "syncOptions", "refreshInterval")); err != nil {
		return 0, fmt.Errorf("invalid refreshInterval: %w", err)
	}
	auth, err := o.get(infisicalPath("infisicalauths", static, "spec", "infisicalAuthRef"))
	if err != nil {
		return 0, fmt.Errorf("Unable to fetch Infisical Auth CRD from cluster: %w", err)
	}
	if auth.condition(ready) != "True" {
		return 0, errors.New("InfisicalAuth is not ready")
	}
	static.setCondition(condition+"AuthMethod", "True", "OK", auth.text("spec", "method"))
	connection, err := o.connectionOf(auth)
	if err != nil {
		return 0, err
	}
	token, err := o.authenticate(connection, auth)
	if err != nil {
		return 0, err
	}
	there := o.workloadsOf(static)
	secrets, err := o.secretsOf(static, auth, addressOf(connection), token)
	if err != nil {
		return 0, err
	}
	redeployed := 0
	for _, target := range static.sections("spec", "targets") {
		data, err := render(secrets, target)
		if err != nil {
			return 0, fmt.Errorf("failed to render target output: %w", err)
		}
		if target.text("kind") != "Secret" {
			return 0, errors.New("this stand-in writes no ConfigMap")
		}
		changed, version, err := o.writeSecret(static, target, data)
		if err != nil {
			return 0, fmt.Errorf("failed to sync Secret %q: %w", target.text("name"), err)
		}
		if changed {
			count, err := o.reload(there[target.text("namespace")], target, version)
			redeployed += count
			if err != nil {
				return 0, fmt.Errorf("failed to reconcile dependent resources of target %q: %w", target.text("name"), err)
			}
		}
	}
	return redeployed, nil
}

func (o *operator) secretsOf(static, auth object, address, token string) ([]secret, error) {
	var direct, imported []secret
	for _, source := range static.sections("spec", "sources") {
		id := source.text("projectId")
		if slug := source.text("projectSlug"); slug != "" {
			key := auth.name() + " " + slug
			known := o.projects[key]
			if time.Now().After(known.until) {
				found, err := projectID(address, token, slug)
				if err != nil {
					return nil, fmt.Errorf("failed to list secrets: %w", err)
				}
				known = project{found, time.Now().Add(projectIDsLast)}
				o.projects[key] = known
			}
			id = known.id
		}
		more, others, err := listSecrets(address, token, id, source)
		if errors.Is(err, errUnauthorized) {
			delete(o.tokens, auth.name())
		}
		if err != nil {
			return nil, fmt.Errorf("unable to fetch all secret sources: %w", err)
		}
		direct, imported = append(direct, more...), append(imported, others...)
	}
	return merged(direct, imported), nil
}

// writeSecret makes or overwrites a Secret. Of one that exists, the type and the owner stay, and all other keys go. Only
// the annotation with the version is compared, so a value that somebody else has changed is not put back.
func (o *operator) writeSecret(static, target object, data map[string][]byte) (bool, string, error) {
	version := etag(data)
	namespace, name := target.text("namespace"), target.text("name")
	encoded := map[string]any{}
	for key, value := range data {
		encoded[key] = base64.StdEncoding.EncodeToString(value)
	}
	found, err := o.get(coreOf(namespace, "secrets", name))
	if notFound(err) {
		labels, annotations := metadataOf(static, target, object{})
		annotations[versionAnnotation] = version
		metadata := map[string]any{"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
		if target.text("creationPolicy") == "Owner" {
			if owner := static.text("metadata", "namespace"); owner != namespace {
				return false, "", fmt.Errorf("failed to set owner reference: cross-namespace owner references are disallowed, "+
					"owner's namespace %s, obj's namespace %s", owner, namespace)
			}
			metadata["ownerReferences"] = []any{ownerOf(static)}
		}
		made := map[string]any{"metadata": metadata, "data": encoded}
		if kind := target.text("secretType"); kind != "" {
			made["type"] = kind
		}
		path := strings.TrimSuffix(coreOf(namespace, "secrets", ""), "/")
		if err := o.kube.call("POST", path, made, nil); err != nil {
			return false, "", fmt.Errorf("failed to create secret: %w", err)
		}
		return true, version, nil
	}
	if err != nil {
		return false, "", fmt.Errorf("failed to get existing secret: %w", err)
	}
	before := found.texts("metadata", "annotations")
	changed := before[versionAnnotation] != version
	labels, annotations := metadataOf(static, target, found)
	annotations[versionAnnotation] = version
	if !changed && maps.Equal(before, annotations) && maps.Equal(found.texts("metadata", "labels"), labels) {
		return false, version, nil
	}
	found.put(labels, "metadata", "labels")
	found.put(annotations, "metadata", "annotations")
	found["data"] = encoded
	if err := o.kube.call("PUT", coreOf(namespace, "secrets", name), found, nil); err != nil {
		return false, "", fmt.Errorf("failed to update secret: %w", err)
	}
	return changed, version, nil
}

// metadataOf returns labels and annotations of a target: those that it says, or else copies of the custom resource's,
// of which it remembers the keys, to take them away again.
func metadataOf(static, target, existing object) (labels, annotations map[string]string) {
	labels, annotations = map[string]string{}, map[string]string{}
	before := existing.texts("metadata", "annotations")
	copied := target.at("metadata") == nil
	was := strings.Split(before[managedAnnotations], ",")
	for key, value := range before {
		if system(key) || key == versionAnnotation || copied && !slices.Contains(was, key) {
			annotations[key] = value
		}
	}
	if !copied {
		maps.Copy(labels, target.texts("metadata", "labels"))
		maps.Copy(annotations, target.texts("metadata", "annotations"))
		return labels, annotations
	}
	was = strings.Split(before[managedLabels], ",")
	maps.Copy(labels, existing.texts("metadata", "labels"))
	maps.DeleteFunc(labels, func(key, _ string) bool { return slices.Contains(was, key) })
	maps.Copy(labels, static.texts("metadata", "labels"))
	own := static.texts("metadata", "annotations")
	maps.DeleteFunc(own, func(key, _ string) bool { return system(key) })
	maps.Copy(annotations, own)
	annotations[managedLabels] = strings.Join(slices.Sorted(maps.Keys(static.texts("metadata", "labels"))), ",")
	annotations[managedAnnotations] = strings.Join(slices.Sorted(maps.Keys(own)), ",")
	return labels, annotations
}

func system(annotation string) bool {
	for _, prefix := range []string{"kubectl.kubernetes.io/", "kubernetes.io/", "k8s.io/", "helm.sh/"} {
		if strings.HasPrefix(annotation, prefix) {
			return true
		}
	}
	return false
}

func ownerOf(static object) map[string]any {
	return map[string]any{
		"apiVersion": "secrets.infisical.com/v1beta1", "kind": "InfisicalStaticSecret", "name": static.text("metadata", "name"),
		"uid": static.text("metadata", "uid"), "controller": true, "blockOwnerDeletion": true,
	}
}

func etag(data map[string][]byte) string {
	shown := fmt.Append(nil, data) // fmt prints a map in the order of its keys
	return fmt.Sprintf(`W/"secrets-%d-%08X"`, len(shown), crc32.ChecksumIEEE(shown))
}

// interval reads a whole number with a unit.
func interval(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 168 * time.Hour}
	if len(text) < 2 {
		return 0, errors.New("invalid format")
	}
	number, err := strconv.Atoi(text[:len(text)-1])
	unit, known := units[text[len(text)-1]]
	switch {
	case err != nil:
		return 0, err
	case !known:
		return 0, errors.New("invalid time unit")
	case unit == time.Second && number < 5:
		return 0, errors.New("resync interval must be at least 5 seconds")
	}
	return time.Duration(number) * unit, nil
}
