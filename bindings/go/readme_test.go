package imtag_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the README prints is what runs here.
func TestTheREADMEsProgramHasTenLinesAndTagsAUser(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, _ := strings.Cut(rest, "```\n")
	_, body, _ := strings.Cut(program, ")\n") // what is imported
	lines := 0
	for _, line := range strings.Split(body, "\n") {
		if line = strings.TrimSpace(line); line != "" && line != "}" {
			lines++
		}
	}
	if lines > 10 {
		t.Errorf("%d lines", lines)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "tag.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEmulator(t)
	tool := func(arguments ...string) string {
		command := exec.Command("go", arguments...)
		command.Dir = folder
		command.Env = append(os.Environ(), "GOWORK="+filepath.Join(folder, "go.work"),
			"IMTAG_ENDPOINT="+e.Endpoint, "IMTAG_SECRET_KEY="+e.key)
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, output)
		}
		return string(output)
	}
	tool("mod", "init", "example")
	tool("work", "init", ".", here)
	equal(t, "output", tool("run", "."), "1 user tagged\n")
	equal(t, "tags", e.tags(t, "xiaojun012"), []string{"a", "b"})
}

func TestWhatTheREADMEShowsIsThatOfTheExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, file := range map[string]string{
		"## Results and errors":               "example_error_test.go",
		"## Any number of changes: bulk runs": "example_range_test.go",
		"## A user per event: the batcher":    "example_bulk_test.go",
	} {
		example, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(readme), section)
		_, rest, _ = strings.Cut(rest, "```go\n")
		shown, _, found := strings.Cut(rest, "```\n")
		indented := "\t" + strings.ReplaceAll(strings.TrimSpace(shown), "\n", "\n\t")
		indented = strings.ReplaceAll(indented, "\n\t\n", "\n\n")
		equal(t, section+": there and the same", found && strings.Contains(string(example), "\n"+indented+"\n"), true)
	}
}
