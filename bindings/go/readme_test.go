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

func TestTheREADMEsHandlingOfErrorsIsThatOfTheExample(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_error_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "## Results and errors")
	_, rest, _ = strings.Cut(rest, "```go\n")
	handling, _, found := strings.Cut(rest, "```\n")
	indented := "\t" + strings.ReplaceAll(strings.TrimSpace(handling), "\n", "\n\t")
	equal(t, "there and the same", found && strings.Contains(string(example), "\n"+indented+"\n"), true)
}
