// Stands in for Infisical's Kubernetes operator v0.11.5, which no registry serves: its v1beta1 kinds with the behaviour
// that was seen of it, faults included. It acts on no v1alpha1 kind, and asks where the real one watches.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

// How often the objects are looked at. The real operator watches them.
const pollInterval = 500 * time.Millisecond

func main() {
	namespaces := flag.String("namespaces", "", "namespaces to act in, separated by commas; all of them without it")
	probe := flag.String("health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	elected := flag.Bool("leader-elect", false, "act only while holding the lease of this namespace")
	flag.String("metrics-bind-address", "0", "taken, and without effect: there are no metrics")
	flag.Parse()

	operator := newOperator(inCluster(), scopeOf(*namespaces))
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	go func() { log.Fatal(http.ListenAndServe(*probe, nil)) }()
	if *elected {
		lead(operator.kube)
	}
	operator.sync()
	log.Printf("acting in namespaces %q", *namespaces)
	for {
		operator.pass()
		time.Sleep(pollInterval)
	}
}

func scopeOf(namespaces string) []string {
	var scope []string
	for _, name := range strings.Split(namespaces, ",") {
		if name = strings.TrimSpace(name); name != "" {
			scope = append(scope, name)
		}
	}
	return scope
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
