// Package awareness keeps states that have no history: at present, the users that are
// typing a comment. Such a state is never written to the log. It is sent as an ephemeral
// event, which moves no cursor. Only readers that are live at that moment receive it.
//
// [Typing] collects signals of one kind for each post and broadcasts the state of a
// post when it changes. Every instance receives every signal through Postgres, so all
// instances broadcast the same state.
package awareness
