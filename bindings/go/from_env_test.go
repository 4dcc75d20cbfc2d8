package imtag_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

// foundInEnvironment puts all that a client of an emulator needs into the environment, until the test is over. What each
// message says is in tests/conformance/from_env.json.
func foundInEnvironment(t *testing.T, e *emulator) (home string) {
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("IMTAG_SDKAPPID", fmt.Sprint(e.SDKAppID))
	t.Setenv("IMTAG_IDENTIFIER", e.Identifier)
	t.Setenv("IMTAG_SECRET_KEY", e.key)
	t.Setenv("IMTAG_ENDPOINT", e.Endpoint)
	return home
}

func settingsMessage(t *testing.T, err error) string {
	t.Helper()
	var failed *imtag.Error
	if !errors.As(err, &failed) || failed.Status != imtag.StatusSettings {
		t.Fatalf("%v, not an error of settings", err)
	}
	return failed.Error()
}

func getsTags(t *testing.T, config imtag.Config) {
	t.Helper()
	client, err := imtag.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.GetTag(context.Background(), []string{"alice"}); err != nil {
		t.Error(err)
	}
}

func TestAClientOfTheEnvironmentMakesCalls(t *testing.T) {
	foundInEnvironment(t, shell)
	config, err := imtag.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "warnings", len(config.Warnings()), 0)
	equal(t, "as text", config.String(), `imtag.Config{0, "", credentials: none, at: "", over the environment}`)
	os.Unsetenv("IMTAG_SDKAPPID") // which is read once
	getsTags(t, config)
	getsTags(t, config)
}

func TestAFieldTakesThePlaceOfWhatIsFound(t *testing.T) {
	foundInEnvironment(t, shell)
	t.Setenv("IMTAG_SECRET_KEY", "another")
	t.Setenv("IMTAG_ENDPOINT", "mars")
	config, err := imtag.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	_, err = imtag.NewClient(config)
	equal(t, "wrong", settingsMessage(t, err),
		`IMTAG_ENDPOINT: the endpoint "mars" is not of the form https://host or https://host:port`)
	changed := config
	changed.SecretKey, changed.Endpoint = shell.key, shell.Endpoint
	getsTags(t, changed)
	_, err = imtag.NewClient(config)
	settingsMessage(t, err) // the other is as it was
}

func TestAProfileIsAskedForByNameAndWarningsAreData(t *testing.T) {
	home := foundInEnvironment(t, shell)
	file := filepath.Join(home, "settings.toml")
	t.Setenv("IMTAG_CONFIG", file)
	if err := os.WriteFile(file, []byte("[profile.live]\nsecret_key = \"hush\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chmod(file, 0o644)
	config, err := imtag.FromProfile("live")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "warnings", strings.Join(config.Warnings(), "\n"), fmt.Sprintf(
		"the profile live gives secret_key, but the environment wins: unset IMTAG_SECRET_KEY to call its app\n"+
			"others can read %s, which holds a secret: chmod 600 it", file))
	_, err = imtag.FromProfile("test")
	equal(t, "no profile", settingsMessage(t, err), fmt.Sprintf(`there is no profile "test": %s has live`, file))
}
