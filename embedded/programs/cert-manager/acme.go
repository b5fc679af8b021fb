//go:build acme

// The controllers of ACME compile the client of every DNS provider, so only who asks for certificates by ACME has them.
package main

import (
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
)
