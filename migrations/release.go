package migrations

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A release is the SQL of one version of the program.
type release struct {
	files     []file     // in the order of their numbers
	functions []function // in the order of their names
	version   int        // of the functions, as in functions/VERSION
	sha256    string     // of the functions
}

// newest is the highest number of the files.
func (r release) newest() int { return r.files[len(r.files)-1].number }

// A file is a numbered file.
type file struct {
	number        int
	name          string // "0001_content.sql"
	sql           string
	sha256        string
	oldestProgram int // 0 if programs of any age can work with the schema after this file
}

// A function is a file of functions/.
type function struct {
	name     string
	create   string // CREATE OR REPLACE FUNCTION …
	triggers []trigger
}

// load reads and checks the files of a release.
func load(files fs.FS) (r release, err error) {
	if r.files, err = loadFiles(files); err != nil {
		return r, err
	}
	if r.functions, r.sha256, err = loadFunctions(files); err != nil {
		return r, err
	}
	r.version, err = loadVersion(files)
	return r, err
}

var fileName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

func loadFiles(files fs.FS) ([]file, error) {
	paths, err := fs.Glob(files, "schema/*.sql")
	if err != nil {
		return nil, err
	}
	var all []file
	for _, p := range paths {
		name := path.Base(p)
		match := fileName.FindStringSubmatch(name)
		if match == nil {
			return nil, fmt.Errorf("%s: the name must be like 0001_name.sql", p)
		}
		sql, err := readFile(files, p)
		if err != nil {
			return nil, err
		}
		f := file{name: name, sql: string(sql), sha256: hash(sql)}
		f.number, _ = strconv.Atoi(match[1]) // four digits
		if f.oldestProgram, err = oldestProgram(f.sql); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no file schema/NNNN_name.sql")
	}
	slices.SortFunc(all, func(a, b file) int { return cmp.Compare(a.number, b.number) })
	for i, f := range all {
		if i > 0 && f.number == all[i-1].number {
			return nil, fmt.Errorf("%s and %s have the same number", all[i-1].name, f.name)
		}
	}
	return all, nil
}

var directive = regexp.MustCompile(`(?m)^-- tidings:(.*)$`)

// oldestProgram reads the line "-- tidings: oldest-program NNNN" of a file. It is 0 if
// the file has none.
func oldestProgram(sql string) (number int, err error) {
	for _, match := range directive.FindAllStringSubmatch(sql, -1) {
		words := strings.Fields(match[1])
		if len(words) != 2 || words[0] != "oldest-program" {
			return 0, fmt.Errorf("unknown directive %q", match[0])
		}
		if number, err = strconv.Atoi(words[1]); err != nil {
			return 0, fmt.Errorf("directive %q: %w", match[0], err)
		}
	}
	return number, nil
}

func loadFunctions(files fs.FS) (all []function, sum string, err error) {
	paths, err := fs.Glob(files, "functions/*.sql") // sorted
	if err != nil {
		return nil, "", err
	}
	var list strings.Builder // of names and hashes
	for _, p := range paths {
		text, err := readFile(files, p)
		if err != nil {
			return nil, "", err
		}
		f, err := parseFunction(strings.TrimSuffix(path.Base(p), ".sql"), string(text))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", p, err)
		}
		all = append(all, f)
		fmt.Fprintln(&list, hash(text), f.name)
	}
	return all, hash([]byte(list.String())), nil
}

// bodyEnd is the end of a function's body, and of its statement.
const bodyEnd = "\n$$;\n"

func parseFunction(name, text string) (function, error) {
	create, rest, found := strings.Cut(text, bodyEnd)
	if !found || !strings.Contains("\n"+create, "\ncreate or replace function tidings."+name+"(") {
		return function{}, fmt.Errorf("it must be a CREATE OR REPLACE FUNCTION tidings.%s whose body ends with a line $$;", name)
	}
	triggers, err := parseTriggers(rest)
	return function{name, create + bodyEnd, triggers}, err
}

func loadVersion(files fs.FS) (version int, err error) {
	text, err := readFile(files, "functions/VERSION")
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(string(text), "version %d\n", &version); err != nil {
		return 0, fmt.Errorf("functions/VERSION: %w", err)
	}
	return version, nil
}

// readFile reads a file. Line ends may be CRLF where Git has checked the file out on Windows;
// the hash of a file must not depend on that.
func readFile(files fs.FS, path string) ([]byte, error) {
	text, err := fs.ReadFile(files, path)
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), err
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
