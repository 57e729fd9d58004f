package auth

import "errors"

// The kinds of an [Error]. Test for them with errors.Is.
var (
	// ErrMalformed: the request carries credentials in a way that has no meaning.
	ErrMalformed = errors.New("malformed credentials")
	// ErrToken: the token cannot be read, is not signed by one of our keys, or its
	// claims do not allow its use now.
	ErrToken = errors.New("token refused")
	// ErrOrigin: the cookie comes from a page that is not trusted.
	ErrOrigin = errors.New("origin not trusted")
)

// An Error says why a credential was refused.
type Error struct {
	Kind   error  // ErrMalformed, ErrToken or ErrOrigin
	Detail string // for the client: it tells nothing about keys or expected values
	Cause  error  // for the log; may be nil
}

// Error returns the kind, the detail and the cause.
func (e *Error) Error() string {
	text := e.Kind.Error() + ": " + e.Detail
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}
