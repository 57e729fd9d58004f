package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// A tidingsPoll polls Tidings from the reader's cursor. A reader is live with its first
// answer.
type tidingsPoll struct {
	reader *reader
	dialer *dialer
}

func newTidingsPoll(r *reader, d *dialer) poller { return tidingsPoll{r, d} }

// request implements [poller].
func (p tidingsPoll) request() []byte {
	return p.dialer.get("/v1/poll?limit=1000&"+p.reader.query().Encode(), p.reader.token, "application/json", "")
}

// take implements [poller].
func (p tidingsPoll) take(a *answer) error {
	var page struct {
		Events []struct {
			ID, Event string
			Data      json.RawMessage
		}
		Cursor string
	}
	if err := json.Unmarshal(a.body, &page); err != nil {
		return err
	}
	for _, e := range page.Events {
		if m, ok := findMark(e.Data); ok && e.Event == p.reader.counted {
			p.reader.take(m, []byte(e.ID))
		}
	}
	p.reader.setCursor([]byte(page.Cursor))
	p.reader.ready()
	return nil
}

// A nchanPoll polls a subscriber location of Nchan. Each answer is one event. The validators
// of the answer are those of the next request (Last-Modified and Etag), and the reader keeps
// the fields with them as its cursor. Without a cursor the server waits for the next event:
// a reader is live when it has sent its request.
type nchanPoll struct {
	reader *reader
	dialer *dialer
	path   string
}

// request implements [poller].
func (p nchanPoll) request() []byte {
	p.reader.ready()
	return p.dialer.request("GET", p.path, "Accept: */*\r\n"+string(p.reader.cursor), "")
}

// take implements [poller].
func (p nchanPoll) take(a *answer) error {
	modified, tag := a.field("Last-Modified"), a.field("Etag")
	at, err := http.ParseTime(string(modified))
	if err != nil {
		return fmt.Errorf("read Last-Modified: %w", err)
	}
	p.reader.setCursor(fmt.Appendf(nil, "If-Modified-Since: %s\r\nIf-None-Match: %s\r\n", modified, tag))
	if m, ok := findMark(a.body); ok {
		p.reader.take(m, fmt.Appendf(nil, "%d:%s", at.Unix(), bytes.Trim(tag, `"`)))
	}
	return nil
}

// A socketPoll polls a Socket.IO server: protocol 5 over Engine.IO 4, by HTTP. A packet for
// the server is sent by POST, before the next poll.
type socketPoll struct {
	socketPackets
	dialer *dialer
	path   string // with a query, to which the id of the session is appended
	posted bool   // the last request was a POST
}

// request implements [poller].
func (p *socketPoll) request() []byte {
	packet := p.reply
	p.reply, p.posted = "", packet != ""
	if p.posted {
		return p.dialer.request("POST", p.path, "Content-Type: text/plain\r\nContent-Length: "+strconv.Itoa(len(packet))+"\r\n", packet)
	}
	return p.dialer.request("GET", p.path, "Accept: */*\r\n", "")
}

// take implements [poller]. An answer is the packets with a separator between two of them.
func (p *socketPoll) take(a *answer) error {
	if p.posted {
		if string(a.body) != "ok" {
			return errSocket
		}
		return nil
	}
	for packet := range bytes.SplitSeq(a.body, []byte{0x1e}) {
		if err := p.packet(packet); err != nil {
			return err
		}
		if err := p.begin(packet); err != nil {
			return err
		}
	}
	return nil
}

// begin reads the id of the session from the first packet.
func (p *socketPoll) begin(packet []byte) error {
	if packet[0] != '0' {
		return nil
	}
	var session struct{ SID string }
	if err := json.Unmarshal(packet[1:], &session); err != nil || session.SID == "" {
		return errors.Join(errSocket, err)
	}
	p.path += "&sid=" + url.QueryEscape(session.SID)
	return nil
}
