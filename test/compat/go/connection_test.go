// Package compat is a client of the daemon, made of our protos as a user of Go would make it. Environment variables say
// where the daemon is and what it wants:
//
//	FLINTLOCK_ADDRESS      host:port
//	FLINTLOCK_CA           PEM file: speak TLS, and trust this
//	FLINTLOCK_CERT, _KEY   PEM files: show this certificate
//	FLINTLOCK_TOKEN        token of basic authentication, as upstream's clients send it
//	FLINTLOCK_BEARER       the same as a bearer token, as brigade sends it
package compat

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

const deadline = 60 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T) *grpc.ClientConn {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport(t))}
	if header := authorization(); header != "" {
		options = append(options, grpc.WithPerRPCCredentials(perCall(header)))
	}
	connection, err := grpc.NewClient(os.Getenv("FLINTLOCK_ADDRESS"), options...)
	if err != nil {
		t.Fatalf("cannot make a client: %v", err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func transport(t *testing.T) credentials.TransportCredentials {
	t.Helper()
	ca := os.Getenv("FLINTLOCK_CA")
	if ca == "" {
		return insecure.NewCredentials()
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatalf("cannot read the CA: %v", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", ca)
	}
	config := &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS13}
	if file := os.Getenv("FLINTLOCK_CERT"); file != "" {
		pair, err := tls.LoadX509KeyPair(file, os.Getenv("FLINTLOCK_KEY"))
		if err != nil {
			t.Fatalf("cannot read the client's certificate: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config)
}

func authorization() string {
	if token := os.Getenv("FLINTLOCK_TOKEN"); token != "" {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(token))
	}
	if token := os.Getenv("FLINTLOCK_BEARER"); token != "" {
		return "Bearer " + token
	}
	return ""
}

// perCall is an authorization header that is sent over plain text too, as upstream's clients do.
type perCall string

func (header perCall) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(header)}, nil
}

func (perCall) RequireTransportSecurity() bool { return false }
