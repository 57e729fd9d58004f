// Package awareness keeps current state that has no history: at present, the users
// that are typing a comment. Such state is never written to the log. It is sent as
// ephemeral events, which move no cursor and which only readers that are live at that
// moment receive.
//
// [Typing] collects signals of one kind for each post and broadcasts the state of a
// post when it changes. Every instance receives every signal through Postgres, so all
// instances broadcast the same state.
package awareness
