package api

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxTokenBytes  = 8 << 10
	minSecretBytes = 32 // RFC 7518 section 3.2: the size of the hash
	minRSABits     = 2048
	leeway         = 5 * time.Second
)

// TokenConfig says which tokens are good. A secret, a public key or both.
type TokenConfig struct {
	Secret    string // of HS256, HS384, HS512; at least 32 bytes
	PublicKey string // PEM, PKIX: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)
	Issuer    string // required iss, when set
	Audience  string // required aud, when set
}

// A Verifier checks the site's own JWTs (RFC 7519, under the rules of RFC 8725: the
// algorithms are fixed by the keys, keys come from the configuration alone, exp is
// required). It is safe for concurrent use.
type Verifier struct {
	parser *jwt.Parser
	secret []byte
	public any
	known  verified
}

// NewVerifier reads the keys. Without any, no token is good.
func NewVerifier(cfg TokenConfig) (*Verifier, error) {
	v := &Verifier{}
	var methods []string
	if cfg.Secret != "" {
		if len(cfg.Secret) < minSecretBytes {
			return nil, fmt.Errorf("JWT secret has %d bytes, at least %d are needed", len(cfg.Secret), minSecretBytes)
		}
		v.secret = []byte(cfg.Secret)
		methods = append(methods, "HS256", "HS384", "HS512")
	}
	if cfg.PublicKey != "" {
		key, method, err := parsePublicKey(cfg.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("JWT public key: %w", err)
		}
		v.public = key
		methods = append(methods, method)
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(append(methods, "no other")), // an empty list would allow all
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
		jwt.WithStrictDecoding(),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		options = append(options, jwt.WithAudience(cfg.Audience))
	}
	v.parser = jwt.NewParser(options...)
	return v, nil
}

func parsePublicKey(text string) (key any, method string, err error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", errors.New("no PEM block found")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", err
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

// Verify returns who the token speaks for. Whatever is wrong with a token, the
// client is told the same; the error says more, for the log.
func (v *Verifier) Verify(token string) (Identity, error) {
	if len(token) > maxTokenBytes {
		return Identity{}, fmt.Errorf("token has %d bytes, at most %d are read", len(token), maxTokenBytes)
	}
	sum := sha256.Sum256([]byte(token))
	if who, ok := v.known.get(sum, time.Now()); ok {
		return who, nil
	}
	found := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, found, v.key)
	if err != nil {
		return Identity{}, err
	}
	if err := checkHeader(parsed.Header); err != nil {
		return Identity{}, err
	}
	who, err := identityOf(found)
	if err == nil {
		v.known.add(sum, who)
	}
	return who, err
}

// key chooses by the family of the algorithm, so that a public key is never taken
// for a secret. What stands in the token's header about keys is not looked at.
func (v *Verifier) key(t *jwt.Token) (any, error) {
	if _, symmetric := t.Method.(*jwt.SigningMethodHMAC); symmetric {
		return v.secret, nil
	}
	return v.public, nil
}

func checkHeader(header map[string]any) error {
	if _, ok := header["crit"]; ok {
		return errors.New("crit names extensions that are not understood")
	}
	switch typ, present := header["typ"]; {
	case !present:
		return nil
	default:
		if s, _ := typ.(string); !strings.EqualFold(s, "JWT") && !strings.EqualFold(s, "at+jwt") {
			return fmt.Errorf("typ %v is no access token", typ)
		}
	}
	return nil
}

// SignToken makes a token of the kind that Verify takes, for development, scripts
// and tests.
func SignToken(secret string, i Identity) (string, error) {
	if len(secret) < minSecretBytes {
		return "", fmt.Errorf("JWT secret has %d bytes, at least %d are needed", len(secret), minSecretBytes)
	}
	c := jwt.MapClaims{"sub": i.Subject, "name": i.Name, "iat": time.Now().Unix(), "exp": i.Expires.Unix()}
	if len(i.Roles) > 0 {
		c["roles"] = i.Roles
	}
	if i.Picture != nil {
		c["picture"] = *i.Picture
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
}
