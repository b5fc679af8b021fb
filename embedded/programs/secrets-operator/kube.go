package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

const infisicalGroup = "/apis/secrets.infisical.com/v1beta1"

// object is any object of the API, as JSON.
type object map[string]any

// kube asks the API server as the pod's own account.
type kube struct {
	server, folder string
	client         *http.Client
}

// refusal is an answer of the API server with a status of 400 or more.
type refusal struct {
	status  int
	message string
}

func (r refusal) Error() string { return r.message }

func notFound(err error) bool {
	refused, is := err.(refusal)
	return is && refused.status == http.StatusNotFound
}

func inCluster() *kube {
	folder := environment("KUBE_CREDENTIALS", "/var/run/secrets/kubernetes.io/serviceaccount")
	host := fmt.Sprintf("https://%s:%s", os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	authority, err := os.ReadFile(folder + "/ca.crt")
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return &kube{server: environment("KUBE_API_URL", host), folder: folder, client: client}
}

func (k *kube) call(method, path string, body, answer any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, k.server+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(k.folder + "/token")
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		var status struct{ Message string }
		if json.Unmarshal(said, &status) != nil || status.Message == "" {
			status.Message = fmt.Sprintf("the API server answers %d", response.StatusCode)
		}
		return refusal{response.StatusCode, status.Message}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}

func (k *kube) get(path string) (object, error) {
	var found object
	err := k.call(http.MethodGet, path, nil, &found)
	return found, err
}

func (k *kube) list(path string) ([]object, error) {
	var found struct{ Items []object }
	err := k.call(http.MethodGet, path, nil, &found)
	return found.Items, err
}

func coreOf(namespace, resource, name string) string {
	return "/api/v1/namespaces/" + namespace + "/" + resource + "/" + name
}

// at returns what stands at a path of keys, nil where there is nothing.
func (o object) at(keys ...string) any {
	var value any = map[string]any(o)
	for _, key := range keys {
		section, is := value.(map[string]any)
		if !is {
			return nil
		}
		value = section[key]
	}
	return value
}

func (o object) text(keys ...string) string {
	text, _ := o.at(keys...).(string)
	return text
}

// texts returns a map of texts, such as labels; never nil.
func (o object) texts(keys ...string) map[string]string {
	found := map[string]string{}
	section, _ := o.at(keys...).(map[string]any)
	for key, value := range section {
		found[key], _ = value.(string)
	}
	return found
}

// list returns a list of sections.
func (o object) sections(keys ...string) []object {
	var found []object
	entries, _ := o.at(keys...).([]any)
	for _, entry := range entries {
		if section, is := entry.(map[string]any); is {
			found = append(found, section)
		}
	}
	return found
}

// put sets what stands at a path of keys, and makes the sections above it.
func (o object) put(value any, keys ...string) {
	section := map[string]any(o)
	for _, key := range keys[:len(keys)-1] {
		below, is := section[key].(map[string]any)
		if !is {
			below = map[string]any{}
			section[key] = below
		}
		section = below
	}
	section[keys[len(keys)-1]] = value
}

func (o object) name() string {
	return o.text("metadata", "namespace") + "/" + o.text("metadata", "name")
}

func (o object) generation() string { return fmt.Sprint(o.at("metadata", "generation")) }

// setCondition does what apimachinery does: the time changes with the status alone. It returns whether anything changed.
func (o object) setCondition(kind, status, reason, message string) bool {
	now := time.Now().UTC().Format(time.RFC3339)
	entry := map[string]any{
		"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
		"observedGeneration": o.at("metadata", "generation"),
	}
	conditions, _ := o.at("status", "conditions").([]any)
	for index, each := range conditions {
		before, _ := each.(map[string]any)
		if before["type"] != kind {
			continue
		}
		if before["status"] == status {
			entry["lastTransitionTime"] = before["lastTransitionTime"]
		}
		conditions[index] = entry
		return fmt.Sprint(before) != fmt.Sprint(entry)
	}
	o.put(append(conditions, entry), "status", "conditions")
	return true
}

func (o object) condition(kind string) string {
	for _, entry := range o.sections("status", "conditions") {
		if entry.text("type") == kind {
			return entry.text("status")
		}
	}
	return ""
}
