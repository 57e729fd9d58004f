package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/stream"
)

const (
	maxBodyBytes = 64 << 10
	maxURLBytes  = 8 << 10
	maxPageSize  = 100
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

// single is the one value of a parameter, "" when it is absent.
func single(values url.Values, name string) (string, error) {
	if len(values[name]) > 1 {
		return "", problemMalformed.with(name + " is given more than once")
	}
	return values.Get(name), nil
}

// number is a parameter within bounds, or its default when it is absent.
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

// flag is a parameter that is 1, 0, true or false; absent is false.
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

// pathParam is a segment of the path, percent-decoded once. The router gives it
// encoded only when the path has an encoding of its own.
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

// postTopic is the topic of the post that the path names.
func postTopic(c echo.Context) (stream.Topic, error) {
	id, err := pathParam(c, "post")
	if err != nil {
		return stream.Topic{}, err
	}
	if err := stream.ValidID(id); err != nil {
		return stream.Topic{}, err
	}
	return stream.NewTopic("post", id)
}

// decode reads a JSON body: one value, at most 64 KiB. Unknown members are ignored.
func decode(c echo.Context, into any) error {
	r := c.Request()
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON {
		return problemMediaType.with("send application/json")
	}
	body := json.NewDecoder(http.MaxBytesReader(c.Response(), r.Body, maxBodyBytes))
	if err := body.Decode(into); err != nil {
		return malformedJSON(err)
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return malformedJSON(err)
	}
	return nil
}

func malformedJSON(err error) error {
	var large *http.MaxBytesError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.As(err, &large):
		return err
	case errors.As(err, &mistyped) && mistyped.Field != "": // else it is the whole body
		return problemMalformed.with(fmt.Sprintf("%s is of the wrong type: %s", mistyped.Field, mistyped.Value))
	}
	return problemMalformed.with("the body is not one JSON object")
}
