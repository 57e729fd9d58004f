package store

import (
	"bytes"
	"encoding/json"

	"github.com/tidings-live/tidings/stream"
)

// A toHTML returns the HTML of the text of a comment: see Config.HTML.
type toHTML func(text string) string

// noHTML is the default of Config.HTML.
func noHTML(string) string { return "" }

// addTo adds the member html to the data of an event that has the text of a comment. SQL
// cannot add the member. Data that is no JSON object with a text is returned as it is.
func (html toHTML) addTo(name string, data []byte) []byte {
	if name != stream.NewCommentName.String() && name != stream.CommentUpdatedName.String() {
		return data
	}
	var comment struct {
		Body *string `json:"body"`
	}
	data = bytes.TrimRight(data, " \t\r\n")
	if json.Unmarshal(data, &comment) != nil || comment.Body == nil {
		return data
	}
	var member bytes.Buffer
	encoder := json.NewEncoder(&member)
	encoder.SetEscapeHTML(false) // an escape takes six bytes, and HTML is full of < and >
	if encoder.Encode(html(*comment.Body)) != nil {
		return data
	}
	return append(append(append(data[:len(data)-1], `,"html":`...), member.Bytes()...), '}')
}
