package imtag_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program that the README prints runs here.
func TestTheREADMEsProgramHasTenLinesAndTagsAUser(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, _ := strings.Cut(rest, "```\n")
	_, body, _ := strings.Cut(program, ")\n") // the imports
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

// A module with a dependency of its own, and no network.
func TestAModuleWithOtherDependenciesTakesTheBindingAsTheREADMESays(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	equal(t, "error", err, nil)
	_, rest, _ := strings.Cut(string(readme), "A module that already has dependencies")
	_, rest, _ = strings.Cut(rest, "\n\n")
	commands, _, _ := strings.Cut(rest, "\n\n")
	repository, err := filepath.Abs("../..")
	equal(t, "error", err, nil)
	folder := t.TempDir()
	module := filepath.Join(folder, "app")
	for name, text := range map[string]string{
		"other/go.mod":   "module example.com/other\n\ngo 1.22\n",
		"other/other.go": "package other\n\nconst Tag = \"vip\"\n",
		"app/go.mod":     "module example\n\ngo 1.22\n\nreplace example.com/other => ../other\n",
		"app/main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/other\"\n\timtag \"github.com/libimtag/libimtag/bindings/go\"\n)\n\n" +
			"func main() { fmt.Println(imtag.Add(\"u\", other.Tag), imtag.Version() != \"\") }\n",
	} {
		path := filepath.Join(folder, name)
		equal(t, "error", os.MkdirAll(filepath.Dir(path), 0o700), nil)
		equal(t, "error", os.WriteFile(path, []byte(text), 0o600), nil)
	}
	shell := func(commands string, environment ...string) (string, error) {
		shell := exec.Command("sh", "-ec", commands)
		shell.Dir = module
		shell.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=", "LIBIMTAG="+repository)
		shell.Env = append(shell.Env, environment...)
		output, err := shell.CombinedOutput()
		return string(output), err
	}
	if output, err := shell(commands); err != nil {
		t.Fatalf("%s\n%v\n%s", commands, err, output)
	}
	output, err := shell("go run .")
	equal(t, "error", err, nil)
	equal(t, "output", output, "add \"u\" [\"vip\"] true\n")
	output, err = shell("go build -o /dev/null .", "CGO_ENABLED=0")
	equal(t, "without cgo: failed", err != nil, true)
	lines := strings.Split(strings.TrimSpace(output), "\n")
	equal(t, "without cgo: lines after the package's name: "+output, len(lines), 2)
	equal(t, "without cgo: says", strings.Contains(lines[1], "imtag needs cgo"), true)
	// for another platform Go turns cgo off: the same files are built
	for _, platform := range []string{"CGO_ENABLED=0", "GOARCH=arm", "GOOS=darwin", "GOOS=windows"} {
		list := "go list -f '{{.CgoFiles}} {{.GoFiles}}' github.com/libimtag/libimtag/bindings/go"
		output, err := shell("[ $CGO_ENABLED ] || unset CGO_ENABLED; "+list, "CGO_ENABLED=", platform)
		equal(t, platform, [2]any{output, err}, [2]any{"[] [collect.go doc.go needs_cgo.go]\n", nil})
	}
}

func TestTheREADMEShowsTheCodeOfTheExamples(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, file := range map[string]string{
		"## Results and errors":               "example_error_test.go",
		"## Any number of changes: bulk runs": "example_range_test.go",
		"## A user per event: the batcher":    "example_bulk_test.go",
		"## Logs and figures":                 "example_log_test.go",
		"As a page for Prometheus":            "example_log_test.go",
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
