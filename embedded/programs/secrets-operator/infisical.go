package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

var errUnauthorized = errors.New("Unauthorized access")

// tooMany is the server's 429, with what it says in Retry-After.
type tooMany struct{ seconds int }

func (tooMany) Error() string { return "too many requests" }

type credentials struct {
	token string
	until time.Time
}

type secret struct{ SecretKey, SecretValue, SecretPath string }

var web = &http.Client{Timeout: 30 * time.Second}

// request returns the status and the body of an answer. A connection that fails is an error.
func request(method, address, token string, body any) (int, http.Header, []byte, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return 0, nil, nil, err
	}
	asked, err := http.NewRequest(method, address, bytes.NewReader(content))
	if err != nil {
		return 0, nil, nil, err
	}
	asked.Header.Set("Content-Type", "application/json")
	asked.Header.Set("User-Agent", "k8-operator")
	if token != "" {
		asked.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := web.Do(asked)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if response.StatusCode < 400 && !strings.Contains(response.Header.Get("Content-Type"), "json") {
		said = []byte("{}") // whatever does not call itself JSON is taken for an empty answer, and for no failure
	}
	return response.StatusCode, response.Header, said, err
}

func withAPI(address string) string {
	address = strings.TrimRight(address, "/")
	if strings.HasSuffix(address, "/api") {
		return address
	}
	return address + "/api"
}

// testConnection asks for the status, as the real operator does every five minutes.
func testConnection(address string) error {
	status, _, body, err := request(http.MethodGet, withAPI(address)+"/status", "", nil)
	if err != nil {
		return fmt.Errorf("unable to reach Infisical at %s: %w", withAPI(address), err)
	}
	var said struct{ Message string }
	if status != http.StatusOK || json.Unmarshal(body, &said) != nil || said.Message != "Ok" {
		return fmt.Errorf("unexpected status from Infisical at %s/status: %d", withAPI(address), status)
	}
	return nil
}

func logIn(address, method string, body map[string]string) (credentials, error) {
	status, _, said, err := request(http.MethodPost, withAPI(address)+"/v1/auth/"+method+"/login", "", body)
	if err != nil {
		return credentials{}, err
	}
	var answer struct {
		AccessToken, Message string
		ExpiresIn            int
	}
	if json.Unmarshal(said, &answer) != nil || status != http.StatusOK {
		return credentials{}, fmt.Errorf("APIError: log-in unsuccessful [status-code=%d] [message=%q]", status, answer.Message)
	}
	held := time.Duration(float64(answer.ExpiresIn)*0.7) * time.Second
	return credentials{answer.AccessToken, time.Now().Add(held)}, nil
}

func projectID(address, token, slug string) (string, error) {
	target := address + "/api/v1/projects/slug/" + url.PathEscape(slug)
	status, _, said, err := request(http.MethodGet, target, token, nil)
	switch {
	case err != nil:
		return "", fmt.Errorf("failed to find project by slug: %w", err)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "", fmt.Errorf("%w: status %d", errUnauthorized, status)
	case status == http.StatusNotFound:
		return "", fmt.Errorf("project with slug %q not found", slug)
	case status >= http.StatusBadRequest:
		return "", fmt.Errorf("failed to find project by slug [status=%d, body=%s]", status, said)
	}
	var project struct{ ID string }
	return project.ID, json.Unmarshal(said, &project)
}

// listSecrets returns the secrets of a source, and those that it imports. It leaves references and imports to the
// server's defaults.
func listSecrets(address, token, project string, source object) (direct, imported []secret, err error) {
	recursive, _ := source["recursive"].(bool)
	query := url.Values{
		"projectId":   {project},
		"environment": {source.text("environmentSlug")},
		"secretPath":  {source.text("secretPath")},
		"recursive":   {strconv.FormatBool(recursive)},
	}
	status, header, said, err := request(http.MethodGet, address+"/api/v4/secrets?"+query.Encode(), token, nil)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("failed to list secrets: %w", err)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return nil, nil, fmt.Errorf("%w: status %d", errUnauthorized, status)
	case status == http.StatusTooManyRequests && header.Get("Retry-After") != "":
		seconds, err := strconv.Atoi(header.Get("Retry-After"))
		if err != nil {
			seconds = 60
		}
		return nil, nil, tooMany{seconds}
	case status == http.StatusTooManyRequests:
		return nil, nil, errors.New("failed to list secrets due to rate limit")
	case status == http.StatusBadRequest:
		return nil, nil, fmt.Errorf("Bad request: failed to list secrets [body=%s]", said)
	case status >= http.StatusBadRequest:
		return nil, nil, fmt.Errorf("failed to list secrets [status=%d, body=%s]", status, said)
	}
	var answer struct {
		Secrets []secret
		Imports []struct{ Secrets []secret }
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		return nil, nil, err
	}
	for _, each := range answer.Imports {
		imported = append(imported, each.Secrets...)
	}
	return answer.Secrets, imported, nil
}
