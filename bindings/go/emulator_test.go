package imtag_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// emulator is the service in a process of its own, on a free port.
type emulator struct {
	Endpoint      string `json:"endpoint"`
	SDKAppID      uint32 `json:"sdkappid"`
	Identifier    string `json:"identifier"`
	SecretKeyFile string `json:"secret_key_file"`
	CAFile        string `json:"ca_file"`

	key     string
	process *exec.Cmd
	http    http.Client
}

// imtagBin is the command line, which contains the emulator.
func imtagBin() string {
	if bin := os.Getenv("IMTAG_BIN"); bin != "" {
		return bin
	}
	return "../../target/debug/imtag"
}

// imtagCommand runs the command line without the settings of the user who runs the tests.
func imtagCommand(arguments ...string) *exec.Cmd {
	command := exec.Command(imtagBin(), arguments...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "IMTAG_") && !strings.HasPrefix(variable, "XDG_CONFIG_HOME=") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "HOME=/nonexistent")
	command.Stderr = os.Stderr
	return command
}

func startEmulator(arguments ...string) (*emulator, error) {
	command := imtagCommand(append([]string{"emulator", "--json"}, arguments...)...)
	endWithUs(command)
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("set IMTAG_BIN to the command line imtag: %w", err)
	}
	e := &emulator{process: command, http: http.Client{Timeout: 20 * time.Second}}
	e.http.Transport = &http.Transport{DisableKeepAlives: true} // keep-alives would leave goroutines
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, e)
	}
	if err == nil {
		var key []byte
		key, err = os.ReadFile(e.SecretKeyFile)
		e.key = strings.TrimSpace(string(key))
	}
	if err != nil {
		e.stop()
		return nil, fmt.Errorf("the emulator printed %q: %w", line, err)
	}
	return e, nil
}

func (e *emulator) stop() {
	e.process.Process.Signal(syscall.SIGTERM)
	e.process.Wait()
}

// newEmulator starts an emulator for this test alone.
func newEmulator(t testing.TB, arguments ...string) *emulator {
	t.Helper()
	e, err := startEmulator(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	return e
}

func (e *emulator) config() imtag.Config {
	return imtag.Config{
		SDKAppID: e.SDKAppID, Identifier: e.Identifier, SecretKey: e.key, Endpoint: e.Endpoint, CAFile: e.CAFile,
		Timeout: time.Minute, // only a fault makes a test wait this long
	}
}

// client makes a client with the emulator's settings, which the test may change.
func (e *emulator) client(t testing.TB, changes ...func(*imtag.Config)) *imtag.Client {
	t.Helper()
	config := e.config()
	for _, change := range changes {
		change(&config)
	}
	client, err := imtag.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// fault queues faults for a route: the items of a JSON list.
func (e *emulator) fault(t testing.TB, route, faults string) {
	t.Helper()
	e.ask(t, "POST", "faults", fmt.Sprintf(`{"route": %q, "faults": [%s]}`, route, faults), nil)
}

// tags returns the tags of a user.
func (e *emulator) tags(t testing.TB, account string) []string {
	t.Helper()
	var user struct{ Tags []string }
	e.ask(t, "GET", "users/"+account, "", &user)
	return user.Tags
}

// arrivals counts the requests that came in whole.
func (e *emulator) arrivals(t testing.TB) int {
	t.Helper()
	arrivals := 0
	for _, route := range e.stats(t).Routes {
		arrivals += route.Arrivals
	}
	return arrivals
}

// awaitArrival waits until a request has come in and is not answered yet.
func (e *emulator) awaitArrival(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if stats := e.stats(t); stats.InFlight > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no request arrives")
		}
	}
}

type stats struct {
	InFlight int `json:"in_flight"`
	Routes   map[string]struct{ Arrivals int }
}

func (e *emulator) stats(t testing.TB) (stats stats) {
	t.Helper()
	e.ask(t, "GET", "stats", "", &stats)
	return stats
}

func (e *emulator) ask(t testing.TB, method, what, body string, answer any) {
	t.Helper()
	came, err := e.admin(method, what, body)
	if err == nil && answer != nil {
		err = json.Unmarshal(came, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// admin calls the emulator's admin API; examples call it directly, as they have no testing.TB.
func (e *emulator) admin(method, what, body string) ([]byte, error) {
	request, err := http.NewRequest(method, e.Endpoint+"/emulator/"+what, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	came, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s %s", method, what, response.Status, came)
	}
	return came, err
}
