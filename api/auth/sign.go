package auth

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SignToken makes a token with HS256 that a [Verifier] with the same secret accepts.
// It serves development, scripts and tests: in production the site signs its tokens. The
// claim iat is now, unless Issued is set, with milliseconds: of two tokens of a user, the
// second one is then the newer one.
// It returns an error if the secret has fewer than 32 bytes.
func SignToken(secret string, i Identity) (string, error) {
	if err := checkSecret(secret); err != nil {
		return "", err
	}
	issued := i.Issued
	if issued.IsZero() {
		issued = time.Now()
	}
	claims := jwt.MapClaims{"sub": i.Subject, "iat": float64(issued.UnixMilli()) / 1000, "exp": i.Expires.Unix()}
	if i.Name != "" {
		claims["name"] = i.Name
	}
	if len(i.Roles) > 0 {
		claims["roles"] = i.Roles
	}
	if len(i.Topics) > 0 {
		claims["topics"] = i.Topics
	}
	if i.Picture != nil {
		claims["picture"] = *i.Picture
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
}
