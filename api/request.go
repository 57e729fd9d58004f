package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/store"
	"github.com/tidings-live/tidings/stream"
)

const (
	maxBodyBytes = 64 << 10 // of a JSON body
	maxURLBytes  = 8 << 10  // of a query
	maxPageSize  = 100      // comments or notifications of one page
)

// parseQuery parses a raw query of at most 8 KiB, and returns the problem malformed if
// any part of it cannot be read: [url.URL.Query] would drop such a pair silently. A
// query with a token is refused too, because URLs are logged.
func parseQuery(raw string) (url.Values, error) {
	if len(raw) > maxURLBytes {
		return nil, problemMalformed.with(fmt.Sprintf("the query has more than %d bytes", maxURLBytes))
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problemMalformed.with("the query is not well-formed: " + err.Error())
	}
	for _, name := range []string{"access_token", "token", "jwt"} {
		if values.Has(name) {
			return nil, problemMalformed.with("a token in a URL ends up in logs: use Authorization: Bearer, or a ticket")
		}
	}
	return values, nil
}

// single returns the value of a parameter, "" if it is absent, or the problem malformed if
// it is given more than once.
func single(values url.Values, name string) (string, error) {
	if len(values[name]) > 1 {
		return "", problemMalformed.with(name + " is given more than once")
	}
	return values.Get(name), nil
}

// clamped is like number, but takes any greater number as most.
func clamped(values url.Values, name string, def, least, most int) (int, error) {
	text, err := single(values, name)
	if digits := strings.TrimLeft(text, "0"); err == nil && len(digits) > len(strconv.Itoa(most)) && allDigits(digits) {
		return most, nil
	}
	n, err := number(values, name, def, least, math.MaxInt32)
	return min(n, most), err
}

func allDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// number returns the value of a parameter, def if it is absent, or the problem malformed if
// it is not a whole number from least to most in decimal digits.
func number(values url.Values, name string, def, least, most int) (int, error) {
	text, err := single(values, name)
	if err != nil || text == "" && !values.Has(name) {
		return def, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || text[0] == '+' {
		return 0, problemMalformed.with(fmt.Sprintf("%s is not a whole number from %d to %d", name, least, most))
	}
	return n, nil
}

// flag returns whether a parameter is 1 or true. It is false if it is 0, false or absent;
// another value is the problem malformed.
func flag(values url.Values, name string) (bool, error) {
	text, err := single(values, name)
	switch {
	case err != nil:
		return false, err
	case text == "1", text == "true":
		return true, nil
	case text == "0", text == "false", text == "" && !values.Has(name):
		return false, nil
	}
	return false, problemMalformed.with(name + " is neither 1 nor 0")
}

// pathParam returns a segment of the path, percent-decoded exactly once. Echo routes by
// URL.RawPath if that is set, and then returns the segment encoded; else it routes by
// URL.Path, which is decoded already.
func pathParam(c echo.Context, name string) (string, error) {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value, nil
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return "", problemMalformed.with("the path is not well-formed")
	}
	return decoded, nil
}

// postInQuery stands in a path for a post whose id is the parameter post. Some proxies
// decode the path of a request, so an id with a slash would become several segments.
const postInQuery = "-"

// postTopic returns the topic of the post in the path. Problems: invalid_id; malformed if
// the path has "-" and the query not exactly one post, or if both name a post.
func postTopic(c echo.Context) (stream.Topic, error) {
	id, err := pathParam(c, "post")
	if err != nil {
		return stream.Topic{}, err
	}
	switch given := query(c)["post"]; {
	case id == postInQuery && len(given) == 1:
		id = given[0]
	case id == postInQuery:
		return stream.Topic{}, problemMalformed.with("below /v1/posts/- the query names one post, as post=")
	case len(given) > 0:
		return stream.Topic{}, problemMalformed.with("the path and the query name a post: use /v1/posts/-/ with post=")
	}
	if err := stream.ValidPostID(id); err != nil {
		return stream.Topic{}, err
	}
	return stream.NewTopic(kindPost, id)
}

// decode reads a JSON body of one object and at most 64 KiB into a struct. Names of members
// are compared exactly. Problems: unsupported_media_type, too_large, malformed,
// unknown_field.
func decode(c echo.Context, into any) error {
	r := c.Request()
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON {
		return problemMediaType.with("send application/json")
	}
	body := json.NewDecoder(http.MaxBytesReader(c.Response(), r.Body, maxBodyBytes))
	var text json.RawMessage
	if err := body.Decode(&text); err != nil {
		return malformedJSON(err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return malformedJSON(err)
	}
	if err := knownFields(text, into); err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return malformedJSON(err)
	}
	return nil
}

// noFields reads the body of a call that has no fields. No body and an empty object are the
// same. Problems: too_large, malformed, unknown_field.
func noFields(c echo.Context) error {
	text, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxBodyBytes))
	if err != nil {
		return malformedJSON(err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	return knownFields(text, &struct{}{})
}

// knownFields returns the problem unknown_field if an object has a member that the struct
// into points to does not have. It leaves all that is no object to json.Unmarshal.
// [json.Decoder.DisallowUnknownFields] would accept members in another case, and name the
// unknown one only in the text of its error.
func knownFields(object json.RawMessage, into any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return malformedJSON(err)
	}
	if members == nil {
		return problemMalformed.with("the body is not one JSON object")
	}
	var known []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(into).Elem()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known = append(known, name)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(known, name) {
			return unknownField(name, known)
		}
	}
	return nil
}

// unknownField returns the problem for a member. Its pointer is escaped (RFC 6901 section 3).
func unknownField(name string, known []string) *Problem {
	p := problemUnknownField.with("the fields are " + strings.Join(known, ", "))
	if len(known) == 0 {
		p = problemUnknownField.with("this call has no fields")
	}
	p.Pointer = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return p
}

// A field is a member of a body that may be absent: an absent member keeps what is stored,
// and only an explicit null clears it.
type field[T any] struct{ store.Change[T] }

// UnmarshalJSON implements [json.Unmarshaler]. It is called only if the member is there.
func (f *field[T]) UnmarshalJSON(text []byte) error {
	f.Set = true
	return json.Unmarshal(text, &f.Value)
}

// malformedJSON returns the problem for an error of the JSON decoder. It names the member
// that has the wrong type, if there is one.
func malformedJSON(err error) error {
	var large *http.MaxBytesError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &large):
		return err
	case errors.As(err, &mistyped) && mistyped.Field != "": // "": the whole body has the wrong type
		return problemMalformed.with(fmt.Sprintf("%s is of the wrong type: %s", mistyped.Field, mistyped.Value))
	}
	return problemMalformed.with("the body is not one JSON object")
}
