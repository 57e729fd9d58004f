package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidings-live/tidings/stream/streamtest"
)

const apiFile = "../../docs/api.md"

// apiBlock finds the blocks of docs/api.md and the headings of calls.
var apiBlock = regexp.MustCompile("(?m)^### (.+)$|^```(\\w+)(.*)\n((?s:.*?))^```$")

// Each request in docs/api.md gets the answer below it, on an empty database and in the order of
// the page. An answer has the documented members and no others. Each call has an example.
func TestDocumentedCallsAnswerAsDocumented(t *testing.T) {
	t.Parallel()
	srv := newSite(t).start(t, func(i *instance) { i.Heartbeat = 200 * time.Millisecond })
	environment := os.Environ()
	var call, request, answer string
	examples := make(map[string]int)
	for _, block := range apiBlock.FindAllStringSubmatch(readText(t, apiFile), -1) {
		language, mark, text := block[2], strings.TrimSpace(block[3]), strings.TrimSpace(block[4])
		switch {
		case block[1] != "":
			call = block[1]
			examples[call] = 0
		case language == "sh" && mark == "setup":
			environment = append(environment, setUp(t, srv, environment, text)...)
		case language == "sh":
			if id := idOfOneDatabase.FindString(text); id != "" {
				t.Errorf("%s: another server has another comment at %s", call, id)
			}
			request, answer = text, runShell(t, environment, text)
			examples[call]++
		case language == "json":
			if !sameJSON(t, answer, text) {
				t.Errorf("%s\n%s\nanswers\n%s\nthe document says\n%s", call, request, answer, text)
			}
		case language == "text":
			if pattern := "^" + pattern(text) + "$"; !regexp.MustCompile(pattern).MatchString(answer) {
				t.Errorf("%s\n%s\nanswers\n%s\nthe document says\n%s", call, request, answer, text)
			}
		default:
			t.Errorf("%s has a block of %q", call, language)
		}
	}
	for call, n := range examples {
		if n == 0 {
			t.Errorf("%s has no example", call)
		}
	}
	if len(examples) < 20 {
		t.Errorf("the page has %d calls: are its headings marked otherwise now?", len(examples))
	}
}

// tokenLine and idLine find the lines of setup that sign a token and ask for the id of a comment.
// idOfOneDatabase finds a request that works only where a comment has this id. No comment has 999.
var (
	tokenLine       = regexp.MustCompile(`^(\w+)=\$\(bin/tidings (token .*)\)$`)
	idLine          = regexp.MustCompile(`^(\w+)=\$\((curl .*)\)$`)
	idOfOneDatabase = regexp.MustCompile(`/comments/\d{1,2}\b|"parentId": "\d`)
)

// setUp returns the variables of a block: URL is the address of the server, and others are tokens,
// which the command signs, and ids of comments, which a shell asks the server for.
func setUp(t *testing.T, srv *server, environment []string, text string) (variables []string) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "URL=") {
			variables = append(variables, "URL="+srv.url)
			continue
		}
		if parts := idLine.FindStringSubmatch(line); parts != nil {
			variables = append(variables, parts[1]+"="+runShell(t, environment, parts[2]))
			continue
		}
		parts := tokenLine.FindStringSubmatch(line)
		if parts == nil {
			t.Fatalf("%q sets neither URL, a token nor an id", line)
		}
		args := strings.Fields(strings.ReplaceAll(parts[2], "'", ""))
		signed := command(t, append(args, "--secret", testSecret)...)
		signed.wants(t, 0, "")
		variables = append(variables, parts[1]+"="+strings.TrimSpace(signed.out))
	}
	return variables
}

// runShell returns the output of a script.
func runShell(t *testing.T, environment []string, script string) string {
	t.Helper()
	shell := exec.CommandContext(patient(t), "/bin/sh", "-eu", "-c", script)
	shell.Env = environment
	var out, problem bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &problem
	if err := shell.Run(); err != nil {
		t.Errorf("%s\n%v %s", script, err, problem.String())
	}
	return strings.TrimSpace(out.String())
}

// pattern returns a text as a regular expression in which … matches any text.
func pattern(text string) string { return strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".*") }

// sameJSON compares an answer with a documented one, in which "…" is any string or number.
func sameJSON(t *testing.T, answer, documented string) bool {
	t.Helper()
	var got, want any
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Errorf("%q is no JSON: %v", answer, err)
		return false
	}
	streamtest.Must(t, json.Unmarshal([]byte(documented), &want))
	return alike(got, want)
}

func alike(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name, value := range w {
			if found, ok := g[name]; !ok || !alike(found, value) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !alike(g[i], w[i]) {
				return false
			}
		}
		return true
	case string:
		if got == nil {
			return false
		}
		return regexp.MustCompile("^" + pattern(w) + "$").MatchString(fmt.Sprint(got))
	}
	return reflect.DeepEqual(got, want)
}
