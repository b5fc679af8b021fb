#!/bin/sh
# Runs in the build's copy of this folder: puts the provider's Go SDK there without its typed kinds. They take longer to
# compile than all of the rest, and only helm.v4.Chart and yaml.v2 use them, to tell the engine of what a chart renders:
# with or without a type, the engine is told the same.
set -eu
module=github.com/pulumi/pulumi-kubernetes/sdk/v4@v4.27.0
# The main module replaces the SDK by ./sdk, which is not there yet: ask from outside of it.
sdk=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
cp -R "$sdk" sdk
chmod -R u+w sdk
cat > sdk/go/kubernetes/yaml/v2/kinds.go <<'G'
package v2

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource registers an object of any kind as an untyped resource, under the token of its kind.
func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input,
	opts ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	if !strings.Contains(apiVersion, "/") {
		apiVersion = "core/" + apiVersion
	}
	var object pulumi.CustomResourceState
	err := ctx.RegisterResource("kubernetes:"+apiVersion+":"+kind, name, props, &object, opts...)
	return &object, err
}
G
