package main

import (
	"log"
	"os"
	"strings"
	"time"
)

// As controller-runtime has them, with the name that the real operator gives its lease.
const (
	leaseName   = "cf2b8c44.infisical.com"
	leaseLasts  = 15 * time.Second
	renewWithin = 10 * time.Second
	leaseRetry  = 2 * time.Second
)

// lease is the right to act, which one process has at a time.
type lease struct {
	kube         *kube
	folder, mine string
	seen         string // its version, and since when it has been that one
	since        time.Time
}

// lead returns once this process may act, and ends the process when it may no more. Whoever ended with the lease in hand
// did not give it back, as the real operator doesn't, so the next one waits for 15 seconds.
func lead(kube *kube) {
	namespace, err := os.ReadFile(kube.folder + "/namespace")
	if err != nil {
		log.Fatal(err)
	}
	folder := "/apis/coordination.k8s.io/v1/namespaces/" + strings.TrimSpace(string(namespace)) + "/leases"
	mine, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	held := lease{kube: kube, folder: folder, mine: mine + "_" + time.Now().Format(time.RFC3339Nano)}
	log.Print("attempting to acquire leader lease")
	for !held.take() {
		time.Sleep(leaseRetry)
	}
	log.Print("successfully acquired lease")
	go held.keep()
}

func (l *lease) keep() {
	for renewed := time.Now(); time.Since(renewed) < renewWithin; time.Sleep(leaseRetry) {
		if l.take() {
			renewed = time.Now()
		}
	}
	log.Fatal("leader election lost")
}

// take makes, takes or renews it, and returns whether it is ours.
func (l *lease) take() bool {
	path := l.folder + "/" + leaseName
	found, err := l.kube.get(path)
	if notFound(err) {
		wanted := object{"metadata": map[string]any{"name": leaseName}}
		l.write(wanted)
		return l.done(l.kube.call("POST", l.folder, wanted, nil))
	}
	if err != nil {
		return l.done(err)
	}
	if version := found.text("metadata", "resourceVersion"); version != l.seen {
		l.seen, l.since = version, time.Now()
	}
	if holder := found.text("spec", "holderIdentity"); holder != l.mine && time.Since(l.since) < leaseLasts {
		return false
	}
	l.write(found)
	return l.done(l.kube.call("PUT", path, found, nil))
}

func (l *lease) write(into object) {
	into.put(l.mine, "spec", "holderIdentity")
	into.put(int(leaseLasts.Seconds()), "spec", "leaseDurationSeconds")
	into.put(time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), "spec", "renewTime")
}

func (l *lease) done(err error) bool {
	if err != nil {
		log.Printf("lease: %v", err)
	}
	return err == nil
}
