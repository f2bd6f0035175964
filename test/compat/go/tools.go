//go:build tools

// Package compat is a client of the daemon, made of our protos as a user of Go would make it.
package compat

import (
	_ "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
	_ "google.golang.org/protobuf/cmd/protoc-gen-go"
)
