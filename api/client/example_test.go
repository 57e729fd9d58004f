package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/tidings-live/tidings/api/client"
)

// A user writes a comment. The key makes a retry safe.
func ExampleClient_CreateComment() {
	c, done := connect()
	defer done()

	comment, err := c.As("token-of-ann").CreateComment(context.Background(), "42", client.NewComment{
		Body:           "Hello",
		IdempotencyKey: "0f7ac3",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(comment.ID, comment.Author.Name, comment.Body)
	// Output: 17 Ann Hello
}

// An error of the server is a Problem with a stable code.
func ExampleProblem() {
	c, done := connect()
	defer done()

	_, err := c.CreateComment(context.Background(), "42", client.NewComment{Body: "Hello"})
	var problem *client.Problem
	if errors.As(err, &problem) {
		fmt.Println(problem.Status, problem.Code)
	}
	fmt.Println(err)
	// Output:
	// 401 unauthenticated
	// create comment: 401 unauthenticated: send Authorization: Bearer
}

// A list, and then every later change of it. The stream starts at the list's cursor, so
// no change is missed and none comes twice.
func ExampleClient_Follow() {
	c, done := connect()
	defer done()
	ctx := context.Background()

	list, err := c.Comments(ctx, "42", client.ListOptions{Sort: "oldest"})
	if err != nil {
		log.Fatal(err)
	}
	for _, comment := range list.Data {
		fmt.Println("list:", comment.Body)
	}

	enough := errors.New("enough")
	err = c.Follow(ctx, []string{"post:42"}, list.Cursor, func(ev client.Event) error {
		switch ev.Name {
		case "new-comment":
			var comment client.Comment
			if err := json.Unmarshal(ev.Data, &comment); err != nil {
				return err
			}
			fmt.Println("event:", comment.Body)
			return enough // ends Follow
		case "stream.gap":
			fmt.Println("events are missing: read the list again")
		}
		return nil
	})
	if !errors.Is(err, enough) {
		log.Fatal(err)
	}
	// Output:
	// list: First
	// event: Second
}

// One connection, read until the server ends it.
func ExampleClient_Stream() {
	c, done := connect()
	defer done()

	s, err := c.Stream(context.Background(), []string{"post:42"}, "1-7")
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for {
		ev, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ev.ID, ev.Name)
	}
	fmt.Println("the next stream starts at", s.Cursor())
	// Output:
	// 1-7 stream.ready
	// 1-8 new-comment
	// the next stream starts at 1-8
}

// One poll that does not wait.
func ExampleClient_Poll() {
	c, done := connect()
	defer done()

	page, err := c.Poll(context.Background(), []string{"post:42"}, "1-7", 0, 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, ev := range page.Events {
		fmt.Println(ev.ID, ev.Topic, ev.Name)
	}
	fmt.Println("the next poll starts at", page.Cursor)
	// Output:
	// 1-8 post:42 new-comment
	// the next poll starts at 1-8
}

// A backend publishes an event of its own. Its token has the role service.
func ExampleClient_Publish() {
	c, done := connect()
	defer done()

	err := c.As("token-of-the-backend").Publish(context.Background(), "post:42", "price.changed",
		map[string]float64{"price": 12.5})
	fmt.Println(err)
	// Output: <nil>
}

// connect returns a client of a server that gives the answers of a Tidings server to the
// requests of the examples. Against a real server it is client.New(address).
func connect() (c *client.Client, done func()) {
	mux := http.NewServeMux()
	answer := func(pattern, kind string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	const second = `{"id":"18","postId":"42","author":{"id":"ben","name":"Ben"},"body":"Second"}`
	answer("GET /v1/posts/42/comments", "application/json", 200,
		`{"data":[{"id":"16","postId":"42","author":{"id":"ben","name":"Ben"},"body":"First"}],"cursor":"1-7"}`)
	answer("GET /v1/events", "text/event-stream", 200,
		"event: stream.ready\ndata: {\"cursor\":\"1-7\",\"heartbeat\":15,\"maxAge\":600}\nid: 1-7\n\n"+
			"event: new-comment\ntopic: post:42\ndata: "+second+"\nid: 1-8\n\n")
	answer("GET /v1/poll", "application/json", 200,
		`{"events":[{"id":"1-8","event":"new-comment","topic":"post:42","data":`+second+`}],"cursor":"1-8","more":false}`)
	answer("POST /v1/publish", "application/json", 204, "")
	mux.HandleFunc("POST /v1/posts/42/comments", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(401)
			_, _ = io.WriteString(w, `{"code":"unauthenticated","detail":"send Authorization: Bearer"}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `{"id":"17","postId":"42","author":{"id":"ann","name":"Ann"},"body":"Hello"}`)
	})
	server := httptest.NewServer(mux)
	c, err := client.New(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		c.CloseIdleConnections()
		server.Close()
	}
}
