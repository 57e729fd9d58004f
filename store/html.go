package store

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/tidings-live/tidings/stream"
)

// A toHTML returns the HTML of the text of a comment: see Config.HTML.
type toHTML func(text string) string

// of returns the HTML of a text, or "" without Config.HTML.
func (html toHTML) of(text string) string {
	if html == nil {
		return ""
	}
	return html(text)
}

// addTo adds the member html to the data of an event that has the text of a comment, behind
// the text, where jsonb would have it. SQL cannot add the member. Data that is no JSON object
// with a text is returned as it is, and so is all data without Config.HTML.
func (html toHTML) addTo(name string, data []byte) []byte {
	switch {
	case html == nil:
	case name == stream.NewCommentName.String(), name == stream.CommentUpdatedName.String():
		return html.addToComment(data)
	case name == stream.ModerationName.String():
		var event struct{ Comment json.RawMessage }
		if json.Unmarshal(data, &event) == nil && event.Comment != nil {
			return bytes.Replace(data, event.Comment, html.addToComment(event.Comment), 1)
		}
	}
	return data
}

func (html toHTML) addToComment(data []byte) []byte {
	body, end := textOf(data)
	if body == nil {
		return data
	}
	var member bytes.Buffer
	encoder := json.NewEncoder(&member)
	encoder.SetEscapeHTML(false) // an escape takes six bytes, and HTML is full of < and >
	if encoder.Encode(html(*body)) != nil {
		return data
	}
	return slices.Concat(data[:end], []byte(`,"html":`), member.Bytes(), data[end:])
}

// textOf returns the member body of a JSON object, and the offset of the end of its value;
// nil if the object has no text.
func textOf(data []byte) (body *string, end int64) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, 0
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, 0
		}
		if name == "body" {
			if decoder.Decode(&body) != nil {
				return nil, 0
			}
			return body, decoder.InputOffset()
		}
		var skipped json.RawMessage
		if decoder.Decode(&skipped) != nil {
			return nil, 0
		}
	}
	return nil, 0
}
