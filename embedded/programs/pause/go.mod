module infisical-platform/embedded/pause

go 1.26.0
