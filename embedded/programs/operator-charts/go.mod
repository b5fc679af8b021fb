module infisical-platform/embedded/operator-charts

go 1.26

require (
	github.com/OT-CONTAINER-KIT/redis-operator v0.23.0
	github.com/cert-manager/cert-manager v1.21.2
	github.com/zalando/postgres-operator v1.15.1
)
