package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// infisicalPath returns where the object is that a reference with name and namespace names.
func infisicalPath(resource string, from object, keys ...string) string {
	reference, _ := from.at(keys...).(map[string]any)
	named := object(reference)
	return infisicalGroup + "/namespaces/" + named.text("namespace") + "/" + resource + "/" + named.text("name")
}

func addressOf(connection object) string {
	if address := connection.text("spec", "address"); address != "" {
		return strings.TrimRight(address, "/")
	}
	return os.Getenv("INFISICAL_HOST_API")
}

// valueOf returns the value that a reference of an InfisicalAuth to a key of a Secret leads to.
func (o *operator) valueOf(auth object, method, reference string) (string, error) {
	named := func(key string) string { return auth.text("spec", method, reference, key) }
	where := ".spec." + method + "." + reference
	secret := named("namespace") + "/" + named("name")
	found, err := o.get(coreOf(named("namespace"), "secrets", named("name")))
	if err != nil {
		return "", fmt.Errorf("unable to fetch secret for %s (secret %s): %w", where, secret, err)
	}
	encoded := found.texts("data")[named("key")]
	if encoded == "" {
		return "", fmt.Errorf("secret %s has no value for key %q (referenced by %s)", secret, named("key"), where)
	}
	value, err := base64.StdEncoding.DecodeString(encoded)
	return string(value), err
}
