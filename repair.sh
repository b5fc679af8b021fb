#!/bin/sh
# After a killed `up`: releases the stack's lock, clears a Helm release that is stuck half-way, and lets Pulumi look at
# what is there. Deletes no data; the next `pulumi up` goes on. Usage: ./repair.sh STACK [options of pulumi refresh]
set -eu
stack=${1:?usage: ./repair.sh STACK [options of pulumi refresh]}
shift

pulumi cancel --yes --stack "$stack" || true # fails when nothing holds the lock

# Helm marks a release before it changes it, and refuses to touch a marked one. The mark is a Secret of this label.
kubectl delete secret --namespace infisical --ignore-not-found \
  --selector 'owner=helm,name=infisical,status in (pending-install,pending-upgrade,pending-rollback)'

# What was being created when the process died is adopted by the next `up`: creating is applying.
pulumi refresh --yes --stack "$stack" --clear-pending-creates "$@"
