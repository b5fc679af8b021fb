module infisical-platform/embedded/secrets-operator

go 1.26.0
