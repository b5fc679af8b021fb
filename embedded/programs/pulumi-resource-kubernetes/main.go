// Command pulumi-resource-kubernetes is Pulumi's Kubernetes provider 4.27.0, built from its published module.
//
// Upstream's main embeds generated files (schema, mappings) that its module does not carry. The engine needs them only
// for `import` and `package` commands, so they are left empty.
package main

import (
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

func main() {
	provider.Serve("kubernetes", version.Version, []byte("{}"), []byte("{}"))
}
