package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"text/template"
)

// shown is what a template sees of a secret.
type shown struct{ Value, SecretPath string }

// The functions that the program's own templates use; the real operator has sprig's and more.
var functions = template.FuncMap{
	"decodeBase64ToBytes": func(encoded string) string {
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			panic(fmt.Sprintf("Error: %v", err))
		}
		return string(decoded)
	},
	"fail":         func(reason string) (string, error) { return "", errors.New(reason) },
	"encodeBase64": func(plain string) string { return base64.StdEncoding.EncodeToString([]byte(plain)) },
}

// render returns a target's data. A template replaces all keys, and writes `<no value>` for a secret that is not there.
func render(secrets []secret, target object) (map[string][]byte, error) {
	data, visible := map[string][]byte{}, map[string]shown{}
	for _, each := range secrets {
		data[each.SecretKey] = []byte(each.SecretValue)
		visible[each.SecretKey] = shown{each.SecretValue, each.SecretPath}
	}
	wanted := target.at("template", "data")
	if wanted == nil {
		return data, nil
	}
	entries, is := wanted.(map[string]any)
	if !is {
		return nil, fmt.Errorf("this stand-in renders no template that is one text")
	}
	data = map[string][]byte{}
	for key, each := range entries {
		text, _ := each.(string)
		parsed, err := template.New(key).Funcs(functions).Parse(text)
		if err != nil {
			return nil, fmt.Errorf("failed to parse template at key %q: %w", key, err)
		}
		var rendered bytes.Buffer
		if err := parsed.Execute(&rendered, visible); err != nil {
			return nil, fmt.Errorf("failed to execute template at key %q: %w", key, err)
		}
		data[key] = rendered.Bytes()
	}
	return data, nil
}

// merged has each key once: the first source has precedence, and what is direct has precedence over what is imported.
func merged(direct, imported []secret) []secret {
	var found []secret
	seen := map[string]bool{}
	for _, each := range append(direct, imported...) {
		if !seen[each.SecretKey] {
			seen[each.SecretKey] = true
			found = append(found, each)
		}
	}
	return found
}
