package main

import (
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	ready          = "secrets.infisical.com/IsReady"
	firstDelay     = 5 * time.Millisecond // and twice as long after each failure, as controller-runtime has it
	longestDelay   = 1000 * time.Second
	connectionTest = 5 * time.Minute
	syncWithin     = 2 * time.Minute
	projectIDsLast = 30 * time.Minute
)

// turn is when an object's turn comes again, and what it looked like the last time.
type turn struct {
	seen     string
	due      time.Time
	failures int
}

type project struct {
	id    string
	until time.Time
}

type login struct{ uid, generation, connection string }

type operator struct {
	kube     *kube
	scope    []string // namespaces; empty for all
	turns    map[string]*turn
	tokens   map[string]credentials // by the name of an InfisicalAuth
	logins   map[string]login       // what it was when last seen
	projects map[string]project     // by the name of an InfisicalAuth and a slug
}

func newOperator(kube *kube, scope []string) *operator {
	return &operator{kube, scope, map[string]*turn{}, map[string]credentials{}, map[string]login{}, map[string]project{}}
}

// sync returns once every namespace can be read. One that can't, whoever's it is, ends the process after two minutes. Until
// then it is ready and does nothing, and a namespace that is closed later is only logged.
func (o *operator) sync() {
	for began := time.Now(); ; time.Sleep(time.Second) {
		var refused error
		for _, namespace := range o.scope {
			for _, each := range []string{
				"/api/v1/namespaces/" + namespace + "/secrets",
				infisicalGroup + "/namespaces/" + namespace + "/infisicalstaticsecrets",
			} {
				if _, err := o.kube.list(each); err != nil {
					refused = err
				}
			}
		}
		if refused == nil {
			return
		}
		log.Printf("failed to list: %v", refused)
		if time.Since(began) > syncWithin {
			log.Fatal("problem running manager: timed out waiting for caches to sync")
		}
	}
}

// pass looks at every object once: connections, then what logs in through them, then what is delivered.
func (o *operator) pass() {
	kept := map[string]bool{}
	defer func() { maps.DeleteFunc(o.turns, func(key string, _ *turn) bool { return !kept[key] }) }()
	for _, each := range o.objects("infisicalconnections") {
		kept["connection "+each.name()] = true
		o.take(each, "connection", each.generation(), o.reconcileConnection)
	}
	for _, each := range o.objects("infisicalauths") {
		connection, _ := o.connectionOf(each)
		identity := each.text("spec", "kubernetes", "identityIdRef", "name")
		if identity == "" {
			identity = each.text("spec", "universal", "clientSecretRef", "name")
		}
		held, _ := o.get(coreOf(each.text("metadata", "namespace"), "secrets", identity))
		now := login{each.text("metadata", "uid"), each.generation(), connection.text("metadata", "resourceVersion")}
		o.forget(each.name(), now)
		kept["auth "+each.name()] = true
		o.take(each, "auth", fmt.Sprint(now, held.text("metadata", "resourceVersion")), o.reconcileAuth)
	}
	for _, each := range o.objects("infisicalstaticsecrets") {
		auth, _ := o.get(infisicalPath("infisicalauths", each, "spec", "infisicalAuthRef"))
		seen := fmt.Sprint(each.generation(), each.texts("metadata", "labels"), each.texts("metadata", "annotations"))
		kept["static "+each.name()] = true
		o.take(each, "static", seen+auth.text("metadata", "resourceVersion"), o.reconcileStatic)
	}
}

// forget drops a token when its InfisicalAuth or the connection has changed. It is held for a name: one that is deleted
// and made anew goes on with the token of the one before, and one whose Secret names another identity with its own.
func (o *operator) forget(name string, now login) {
	before, is := o.logins[name]
	if is && (before.connection != now.connection || before.uid == now.uid && before.generation != now.generation) {
		delete(o.tokens, name)
	}
	o.logins[name] = now
}

// objects returns all objects of a kind in the scope.
func (o *operator) objects(resource string) []object {
	paths := []string{infisicalGroup + "/" + resource}
	if len(o.scope) > 0 {
		paths = nil
		for _, namespace := range o.scope {
			paths = append(paths, infisicalGroup+"/namespaces/"+namespace+"/"+resource)
		}
	}
	var found []object
	for _, path := range paths {
		items, err := o.kube.list(path)
		if err != nil {
			log.Printf("listing %s: %v", path, err)
		}
		found = append(found, items...)
	}
	return found
}

// take reconciles an object when it has changed, or when its time has come.
func (o *operator) take(each object, kind, seen string, reconcile func(object) (time.Duration, error)) {
	key := kind + " " + each.name()
	mine := o.turns[key]
	if mine == nil {
		mine = &turn{}
		o.turns[key] = mine
	}
	if mine.seen == seen && (mine.due.IsZero() || time.Now().Before(mine.due)) {
		return
	}
	mine.seen = seen
	again, err := reconcile(each)
	if err == nil {
		mine.failures, mine.due = 0, time.Time{}
		if again > 0 {
			mine.due = time.Now().Add(again)
		}
		return
	}
	log.Printf("%s: %v", key, err)
	delay := min(firstDelay<<min(mine.failures, 20), longestDelay)
	mine.failures++
	mine.due = time.Now().Add(delay)
	if many := (tooMany{}); errors.As(err, &many) {
		mine.failures, mine.due = 0, time.Now().Add(time.Duration(many.seconds)*time.Second)
	}
}

// get reads an object as the real operator's cache does: what is out of scope is an error of its own.
func (o *operator) get(path string) (object, error) {
	parts := strings.Split(path, "/")
	namespace, name := parts[slices.Index(parts, "namespaces")+1], parts[len(parts)-1]
	if len(o.scope) > 0 && !slices.Contains(o.scope, namespace) {
		return object{}, fmt.Errorf("unable to get: %s/%s because of unknown namespace for the cache", namespace, name)
	}
	found, err := o.kube.get(path)
	if err != nil {
		return object{}, err
	}
	return found, nil
}

func (o *operator) saveStatus(each object, resource string) {
	path := infisicalGroup + "/namespaces/" + each.text("metadata", "namespace") + "/" + resource + "/"
	if err := o.kube.call("PUT", path+each.text("metadata", "name")+"/status", each, nil); err != nil {
		log.Printf("status of %s: %v", each.name(), err)
	}
}

func (o *operator) reconcileConnection(connection object) (time.Duration, error) {
	err := testConnection(addressOf(connection))
	var changed bool
	if err == nil {
		changed = connection.setCondition(ready, "True", "Ok", "InfisicalConnection is ready to be used.")
	} else {
		message := fmt.Sprintf("InfisicalConnection is not ready to be used due to an error: %v", err)
		changed = connection.setCondition(ready, "False", "Error", message)
	}
	if changed {
		o.saveStatus(connection, "infisicalconnections")
	}
	return connectionTest, err
}

func (o *operator) reconcileAuth(auth object) (time.Duration, error) {
	connection, err := o.connectionOf(auth)
	if err == nil {
		_, err = o.authenticate(connection, auth)
	}
	status, reason, message := "True", "Ok", "InfisicalAuth is ready to be used."
	if err != nil {
		status, reason = "False", "Error"
		message = fmt.Sprintf("infisicalAuth is not ready to be used due to an error: %v", err)
	}
	changed := auth.setCondition(ready, status, reason, message)
	changed = auth.setCondition("secrets.infisical.com/AuthMethod", status, "Ok", auth.text("spec", "method")) || changed
	if changed {
		o.saveStatus(auth, "infisicalauths")
	}
	return 0, err
}

// connectionOf returns an InfisicalAuth's connection, once that one is ready.
func (o *operator) connectionOf(auth object) (object, error) {
	connection, err := o.get(infisicalPath("infisicalconnections", auth, "spec", "infisicalConnectionRef"))
	if err != nil {
		return object{}, fmt.Errorf("Unable to fetch Infisical Connection CRD from cluster: %w", err)
	}
	if connection.condition(ready) != "True" {
		return connection, fmt.Errorf("InfisicalConnection is not ready")
	}
	return connection, nil
}

// authenticate returns a token, a held one for 70 % of its time to live.
func (o *operator) authenticate(connection, auth object) (string, error) {
	if held, is := o.tokens[auth.name()]; is && time.Now().Before(held.until) {
		return held.token, nil
	}
	var body map[string]string
	var err error
	method := auth.text("spec", "method")
	switch method {
	case "kubernetes":
		body, err = o.kubernetesBody(auth)
	case "universal":
		body, err = o.universalBody(auth)
	default:
		err = fmt.Errorf("this stand-in does not log in by %q", method)
	}
	if err != nil {
		return "", err
	}
	found, err := logIn(addressOf(connection), method+"-auth", body)
	if err != nil {
		return "", fmt.Errorf("unable to authenticate with %s: %w", method, err)
	}
	o.tokens[auth.name()] = found
	return found.token, nil
}

func (o *operator) kubernetesBody(auth object) (map[string]string, error) {
	identity, err := o.valueOf(auth, "kubernetes", "identityIdRef")
	if err != nil {
		return nil, err
	}
	reference := func(key string) string { return auth.text("spec", "kubernetes", "serviceAccountRef", key) }
	path := coreOf(reference("namespace"), "serviceaccounts", reference("name"))
	if _, err := o.get(path); err != nil {
		return nil, fmt.Errorf("unable to get service account: %w", err)
	}
	spec := map[string]any{"expirationSeconds": 600}
	if audiences := auth.at("spec", "kubernetes", "serviceAccountTokenAudiences"); audiences != nil {
		spec["audiences"] = audiences
	}
	wanted := map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
	var token object
	if err := o.kube.call("POST", path+"/token", wanted, &token); err != nil {
		return nil, fmt.Errorf("unable to create service account token: %w", err)
	}
	return map[string]string{"identityId": identity, "jwt": token.text("status", "token")}, nil
}

func (o *operator) universalBody(auth object) (map[string]string, error) {
	id, err := o.valueOf(auth, "universal", "clientIdRef")
	if err != nil {
		return nil, err
	}
	secret, err := o.valueOf(auth, "universal", "clientSecretRef")
	return map[string]string{"clientId": id, "clientSecret": secret}, err
}
