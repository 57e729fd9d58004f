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

// A Reason says which rule a refused token breaks. Clients see it, so the set is fixed and
// tells nothing about keys or expected values.
type Reason string

// The reasons. Those about claims are given only if the signature is right.
const (
	ReasonMalformed Reason = "malformed" // no JWT, or a header or claim of a wrong type
	ReasonAlgorithm Reason = "algorithm" // none of our keys is for its algorithm
	ReasonSignature Reason = "signature" // not signed with our key
	ReasonNoExp     Reason = "no_exp"    // the claim exp is missing
	ReasonExpired   Reason = "expired"   // exp has passed
	ReasonNotYet    Reason = "not_yet"   // nbf is in the future
	ReasonIssuer    Reason = "issuer"    // iss is not the configured issuer
	ReasonAudience  Reason = "audience"  // aud does not have the configured audience
	ReasonSubject   Reason = "subject"   // sub is missing, or no valid user id
)

// details are the sentences that clients get for the reasons.
var details = map[Reason]string{
	ReasonMalformed: "the token cannot be read",
	ReasonAlgorithm: "the token's algorithm is not accepted here",
	ReasonSignature: "the token is not signed with a key of this server",
	ReasonNoExp:     "the token has no exp claim",
	ReasonExpired:   "the token has expired",
	ReasonNotYet:    "the token is not valid yet",
	ReasonIssuer:    "the token is from another issuer",
	ReasonAudience:  "the token is for another audience",
	ReasonSubject:   "the token's sub claim is not a user id",
}

// An Error says why a credential was refused.
type Error struct {
	Kind   error  // ErrMalformed, ErrToken or ErrOrigin
	Reason Reason // of ErrToken; else ""
	Detail string // for the client: it tells nothing about keys or expected values
	Cause  error  // for the log; may be nil
}

// refused returns the error for a token.
func refused(reason Reason, cause error) *Error {
	return &Error{Kind: ErrToken, Reason: reason, Detail: details[reason], Cause: cause}
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
