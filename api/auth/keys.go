package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	minSecretBytes = 32   // RFC 7518 section 3.2: at least the size of the hash
	minRSABits     = 2048 // RFC 7518 section 3.3
)

// checkSecret refuses a secret that is too short for HMAC with SHA-256.
func checkSecret(secret string) error {
	if len(secret) < minSecretBytes {
		return fmt.Errorf("JWT secret has %d bytes, at least %d are needed", len(secret), minSecretBytes)
	}
	return nil
}

// parsePublicKey reads a PEM block with a PKIX public key. The type of the key fixes
// the one algorithm that it may verify (RFC 8725 section 3.1), which is returned as method.
func parsePublicKey(text string) (key any, method string, err error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", errors.New("no PEM block found")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", fmt.Errorf("a PEM block of the type PUBLIC KEY is needed, this one is %s: %w", block.Type, err)
	}
	switch k := parsed.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return nil, "", fmt.Errorf("RSA key has %d bits, at least %d are needed", k.N.BitLen(), minRSABits)
		}
		return k, "RS256", nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, "", fmt.Errorf("curve %s is not P-256", k.Curve.Params().Name)
		}
		return k, "ES256", nil
	case ed25519.PublicKey:
		return k, "EdDSA", nil
	}
	return nil, "", fmt.Errorf("key type %T is not supported", parsed)
}
