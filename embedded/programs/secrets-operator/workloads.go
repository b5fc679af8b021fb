package main

import (
	"errors"
	"fmt"
)

const (
	autoReload    = "secrets.infisical.com/auto-reload"
	managedSecret = "secrets.infisical.com/managed-secret."
)

// workload is one as it was when a pass began.
type workload struct {
	object
	resource, path string
}

// known is what a pass knows of a namespace's workloads. It is as old as the pass, because the real operator reads a cache:
// what is annotated meanwhile is passed over, and what is changed meanwhile is a conflict. No later pass comes back to either.
type known struct {
	workloads []workload
	err       error
}

// workloadsOf returns the workloads of the namespaces of all targets.
func (o *operator) workloadsOf(static object) map[string]known {
	found := map[string]known{}
	for _, target := range static.sections("spec", "targets") {
		namespace := target.text("namespace")
		var here known
		for _, resource := range []string{"deployments", "daemonsets", "statefulsets"} {
			path := "/apis/apps/v1/namespaces/" + namespace + "/" + resource
			items, err := o.kube.list(path)
			if err != nil {
				here.err = errors.Join(here.err, fmt.Errorf("failed to list %s in namespace %q: %w", resource, namespace, err))
			}
			for _, each := range items {
				here.workloads = append(here.workloads, workload{each, resource, path + "/" + each.text("metadata", "name")})
			}
		}
		found[namespace] = here
	}
	return found
}

var kinds = map[string]string{"deployments": "Deployment", "daemonsets": "DaemonSet", "statefulsets": "StatefulSet"}

// reload writes the version into the pods of each workload that asks for it and uses the Secret.
func (o *operator) reload(here known, target object, version string) (int, error) {
	if here.err != nil {
		return 0, here.err
	}
	count, failed := 0, []error(nil)
	for _, each := range here.workloads {
		if each.texts("metadata", "annotations")[autoReload] != "true" || !uses(each.object, target.text("name")) {
			continue
		}
		count++
		annotation := managedSecret + target.text("name")
		if each.texts("metadata", "annotations")[annotation] == version &&
			each.texts("spec", "template", "metadata", "annotations")[annotation] == version {
			continue
		}
		each.put(version, "metadata", "annotations", annotation)
		each.put(version, "spec", "template", "metadata", "annotations", annotation)
		if err := o.kube.call("PUT", each.path, each.object, nil); err != nil {
			failed = append(failed, fmt.Errorf("failed to reconcile workload. Kind: %q, Name: %q",
				kinds[each.resource], each.text("metadata", "name")))
		}
	}
	return count, errors.Join(failed...)
}

// uses returns whether pods take the Secret by a variable or by a volume of its own; it sees no projected volume.
func uses(workload object, name string) bool {
	pod := []string{"spec", "template", "spec"}
	containers := append(workload.sections(append(pod, "containers")...), workload.sections(append(pod, "initContainers")...)...)
	for _, container := range containers {
		for _, each := range container.sections("envFrom") {
			if each.text("secretRef", "name") == name {
				return true
			}
		}
		for _, each := range container.sections("env") {
			if each.text("valueFrom", "secretKeyRef", "name") == name {
				return true
			}
		}
	}
	for _, volume := range workload.sections(append(pod, "volumes")...) {
		if volume.text("secret", "secretName") == name {
			return true
		}
	}
	return false
}
