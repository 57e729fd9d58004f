package stream

// A Transport is how a reader gets its events.
type Transport string

// The transports.
const (
	SSE  Transport = "sse"
	Poll Transport = "poll"
)

// An End is the reason why a reader has ended.
type End string

// The ends of readers. The first five are [ByeReasons], too.
const (
	EndShutdown    End = "shutdown"    // the server stops
	EndAge         End = "age"         // the stream has reached its maximum age
	EndSlow        End = "slow"        // the socket took too long for one part of a stream
	EndExpired     End = "expired"     // the token has ended
	EndUnavailable End = "unavailable" // past events could not be read for 10 s
	EndStalled     End = "stalled"     // the socket took nothing for HubConfig.Patience
	EndLeft        End = "left"        // the client or the network closed the connection
	EndAnswered    End = "answered"    // the poll has its answer
)

// ByeReasons are the reasons of stream.bye, in the order of the documentation.
var ByeReasons = []End{EndAge, EndShutdown, EndSlow, EndExpired, EndUnavailable}

// Ended is a key of [Stats]: readers are counted by transport and end.
type Ended struct {
	Transport Transport
	End       End
}
