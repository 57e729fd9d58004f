package client

import "encoding/json"

// An Optional is a member of a request that is absent, null, or has a value. The zero value
// is absent: the server keeps what it has. [Null] is null: the server clears what it has.
// [Value] is a value.
//
// A field of this type has the option omitzero in its JSON tag.
type Optional[T any] struct {
	given bool
	value *T // nil for null
}

// Value returns a member with a value. The zero value of T is a value, too.
func Value[T any](v T) Optional[T] { return Optional[T]{given: true, value: &v} }

// Null returns a member that is null.
func Null[T any]() Optional[T] { return Optional[T]{given: true} }

// IsZero reports whether the member is absent.
func (o Optional[T]) IsZero() bool { return !o.given }

// MarshalJSON implements [json.Marshaler]. An absent member that has no option omitzero is
// null.
func (o Optional[T]) MarshalJSON() ([]byte, error) { return json.Marshal(o.value) }
