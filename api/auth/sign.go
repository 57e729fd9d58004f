package auth

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SignToken makes a token with HS256 that a [Verifier] with the same secret accepts.
// It serves development, scripts and tests: in production the site signs its tokens.
// It returns an error if the secret has fewer than 32 bytes.
func SignToken(secret string, i Identity) (string, error) {
	if err := checkSecret(secret); err != nil {
		return "", err
	}
	claims := jwt.MapClaims{"sub": i.Subject, "name": i.Name, "iat": time.Now().Unix(), "exp": i.Expires.Unix()}
	if len(i.Roles) > 0 {
		claims["roles"] = i.Roles
	}
	if i.Picture != nil {
		claims["picture"] = *i.Picture
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
}
