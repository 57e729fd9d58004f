package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tidings-live/tidings/api/internal/takeover"
	"github.com/tidings-live/tidings/stream"
	"github.com/tidings-live/tidings/stream/awareness"
)

// events answers with an event stream (HTML standard, section 9.2): stream.ready at once,
// then the events of the topics after the cursor. Errors that a limit causes go through
// turnAway, because an EventSource never reconnects after a status other than 200. HEAD opens
// nothing and takes nothing of the limits.
func (s *Server) events(c echo.Context) error {
	if !acceptsEventStream(c.Request()) {
		return problemNotAcceptable.with("this is text/event-stream; /v1/poll gives the same events as JSON")
	}
	r, err := s.reading(c)
	if err != nil {
		return s.turnAway(c, err)
	}
	style, err := parseStyle(r)
	if err != nil {
		return err
	}
	if c.Request().Method == http.MethodHead {
		setStreamHeader(c.Response().Header())
		return c.NoContent(http.StatusOK)
	}
	slot, err := s.admit(c, r)
	if err != nil {
		return s.turnAway(c, err)
	}
	admitted := &admission{slot: slot}
	feed, err := s.hub.Open(s.feedConfig(c, r, style, admitted))
	if err != nil {
		slot.Close()
		return s.turnAway(c, err)
	}
	if err := s.useTicket(c, r); err != nil {
		feed.Close()
		return s.turnAway(c, err)
	}
	admitted.visit = s.attend(awareness.Reader{Posts: postsOf(r.topics), User: viewerOf(r.who), Asks: r.presence})
	setStreamHeader(c.Response().Header())
	return s.stream(c, feed)
}

func setStreamHeader(header http.Header) {
	header.Set(echo.HeaderContentType, eventStreamType)
	header.Set(echo.HeaderCacheControl, "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
}

// feedConfig is the configuration of the stream that the client asked for. A stream with a
// ticket has no maximum age: the ticket is used up, so the client cannot open the stream
// again. Such a stream ends with the token that the ticket was made for.
func (s *Server) feedConfig(c echo.Context, r reading, style stream.Style, admitted *admission) stream.FeedConfig {
	cfg := stream.FeedConfig{
		Topics: r.topics, Start: r.start, Style: style, Presence: r.presence,
		Heartbeat: s.heartbeat, MaxAge: s.maxAge, Expires: s.clock.End(r.who), User: r.who.Subject,
	}
	if r.ticket != "" {
		cfg.MaxAge = 0
	}
	id := c.Response().Header().Get(echo.HeaderXRequestID)
	cfg.Ended = func(end stream.End, conn net.Conn) {
		admitted.end()
		s.logger.LogAttrs(context.Background(), slog.LevelDebug, "stream ended", slog.String("request_id", id), slog.String("why", string(end)))
		s.returned.Return(conn, nil, nil)
	}
	return cfg
}

// stream gives the feed to the hub if the connection can be taken over. Otherwise it writes
// the feed in this goroutine until the feed ends.
func (s *Server) stream(c echo.Context, feed *stream.Feed) error {
	conn, reusable, err := takeOver(c)
	if err != nil {
		feed.Close()
		return err
	}
	if conn == nil {
		c.Response().WriteHeader(http.StatusOK)
		out := newStreamWriter(unpaced(c.Response().Writer), s.hub.Patience())
		if err := feed.Run(c.Request().Context(), out.write); err != nil {
			s.logger.LogAttrs(c.Request().Context(), slog.LevelDebug, "stream cut", slog.Any("err", err))
		}
		return nil
	}
	header := c.Response().Header()
	chunked := c.Request().ProtoAtLeast(1, 1)
	if chunked {
		header.Set("Transfer-Encoding", "chunked")
	}
	err = feed.TakeOver(conn, stream.Takeover{
		Head: takeover.Head(c.Request().ProtoMinor, http.StatusOK, header), Chunked: chunked, Keep: reusable,
	})
	if err != nil {
		feed.Close()
		return s.notTakenOver(c, conn, fmt.Errorf("take stream over: %w", err))
	}
	return nil
}

// eventStreamRanges are the media ranges that include text/event-stream, the least specific
// first.
var eventStreamRanges = []string{"*/*", "text/*", "text/event-stream"}

// acceptsEventStream reports whether the Accept header (RFC 9110 section 12.5.1) includes
// text/event-stream: the most specific range that matches has a weight above 0, or there
// is no header.
func acceptsEventStream(r *http.Request) bool {
	accept := strings.Join(r.Header.Values(echo.HeaderAccept), ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	closest, accepted := -1, false
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, _ := strings.Cut(part, ";")
		if i := slices.Index(eventStreamRanges, strings.ToLower(strings.TrimSpace(media))); i > closest {
			closest, accepted = i, weighty(parameters)
		}
	}
	return accepted
}

// weighty reports whether the weight q among the parameters is above 0. It is 1 if q is
// absent or no number.
func weighty(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err != nil || q > 0
		}
	}
	return true
}

// parseStyle reads the parameters envelope, padding and heartbeat.
func parseStyle(r reading) (st stream.Style, err error) {
	if st.Enveloped, err = flag(r.values, "envelope"); err != nil {
		return st, err
	}
	if st.Padded, err = flag(r.values, "padding"); err != nil {
		return st, err
	}
	switch heartbeat, err := single(r.values, "heartbeat"); {
	case err != nil:
		return st, err
	case heartbeat == "event":
		st.Pings = true
	case heartbeat != "" && heartbeat != "comment":
		return st, problemMalformed.with("heartbeat is neither event nor comment")
	}
	return st, nil
}
