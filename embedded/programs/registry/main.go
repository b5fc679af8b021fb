// Command registry serves a folder of images to who logs in: the distribution project's registry, with its file system
// driver and its htpasswd, and without the drivers of clouds, which are most of its compilation.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	if len(os.Args) != 6 {
		log.Fatal("usage: registry ADDRESS FOLDER CERTIFICATE KEY LOGIN, where LOGIN is a file with user:password")
	}
	address, folder, certificate, key, login := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	config := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem":  {"rootdirectory": folder},
			"maintenance": {"readonly": map[any]any{"enabled": true}},
		},
		Auth:    configuration.Auth{"htpasswd": {"realm": "registry", "path": hashed(login)}},
		Catalog: configuration.Catalog{MaxEntries: 100},
	}
	app := handlers.NewApp(context.Background(), config)
	log.Fatal(http.ListenAndServeTLS(address, certificate, key, app))
}

// hashed writes the log-in as htpasswd has it, and returns the path.
func hashed(login string) string {
	content, err := os.ReadFile(login)
	if err != nil {
		log.Fatal(err)
	}
	user, password, _ := strings.Cut(strings.TrimSpace(string(content)), ":")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(login), "htpasswd")
	if err := os.WriteFile(path, []byte(user+":"+string(hash)+"\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	return path
}
