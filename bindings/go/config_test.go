package imtag_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	imtag "github.com/libimtag/libimtag/bindings/go"
)

const secret = "s3cr3t-0123456789abcdef0123456789abcdef0123456789abcdef"

func TestNoSecretIsPrintedWhateverTheVerb(t *testing.T) {
	t.Parallel()
	values := []any{
		imtag.Config{SDKAppID: 1, Identifier: "me", SecretKey: secret, Region: "singapore"},
		&imtag.Config{SDKAppID: 1, Identifier: "me", UserSig: secret, Region: "singapore"},
		struct{ Inner imtag.Config }{imtag.Config{SecretKey: secret}},
		imtag.Credential{UserSig: secret},
		map[string]*imtag.Credential{"one": {UserSig: secret}},
	}
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			if printed := fmt.Sprintf(verb, value); shows(printed, secret) {
				t.Errorf("%s shows the secret: %s", verb, printed)
			}
		}
		if printed, err := json.Marshal(value); err != nil || shows(string(printed), secret) {
			t.Errorf("JSON shows the secret: %s, %v", printed, err)
		}
	}
	for _, config := range []imtag.Config{{SecretKey: secret}, {UserSig: secret}} {
		equal(t, "shown as String", shows(config.String()+config.GoString(), secret), false)
	}
	equal(t, "as text", values[0].(imtag.Config).String(),
		`imtag.Config{1, "me", credentials: a secret key, at: "singapore"}`)
	equal(t, "as text", fmt.Sprint(imtag.Config{Endpoint: "https://here"}),
		`imtag.Config{0, "", credentials: none, at: "https://here"}`)
	equal(t, "as text", fmt.Sprint(imtag.Credential{UserSig: secret, ValidFor: time.Hour}),
		"imtag.Credential{valid for: 1h0m0s}")
}

// fmt calls no method of an unexported field, so the documentation says what to keep there instead.
func TestAClientOrAPointerInAnUnexportedFieldShowsNoSecret(t *testing.T) {
	t.Parallel()
	config := imtag.Config{SDKAppID: 1, Identifier: "me", SecretKey: secret, Region: "singapore"}
	client, err := imtag.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	withClient := struct {
		client *imtag.Client
		copied imtag.Client
	}{client, *client}
	withPointers := struct {
		config     *imtag.Config
		credential *imtag.Credential
	}{&config, &imtag.Credential{UserSig: secret}}
	for value, verbs := range map[any][]string{
		withClient:   {"%v", "%+v", "%#v", "%s", "%q", "%x"},
		withPointers: {"%v", "%+v", "%#v"},
	} {
		for _, verb := range verbs {
			if printed := fmt.Sprintf(verb, value); shows(printed, secret) {
				t.Errorf("%s shows the secret: %s", verb, printed)
			}
		}
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("started", "server", value, "config", config)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("started", "server", value, "config", config)
		equal(t, "logged twice", strings.Count(logged.String(), "started"), 2)
		if shows(logged.String(), secret) {
			t.Errorf("a log shows the secret: %s", logged.String())
		}
	}
}

func shows(printed, secret string) bool {
	printed = strings.ToLower(printed)
	return strings.Contains(printed, secret) || strings.Contains(printed, fmt.Sprintf("%x", secret[:8]))
}

func TestNoSecretIsInAnError(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	for _, change := range []func(*imtag.Config){
		func(c *imtag.Config) { c.SecretKey = secret },
		func(c *imtag.Config) { c.SecretKey, c.UserSig = "", secret },
		func(c *imtag.Config) { c.SecretKey, c.UserSig = "", secret+"\xff" },
		func(c *imtag.Config) { c.SecretKey = secret + "\xff" },
		func(c *imtag.Config) { c.SecretKey, c.UserSig = secret, secret },
		func(c *imtag.Config) { c.SecretKey, c.Timeout = secret, -1 },
		func(c *imtag.Config) {
			c.SecretKey = ""
			c.CredentialCallback = func() (imtag.Credential, error) { return imtag.Credential{UserSig: secret}, nil }
		},
	} {
		config := e.config()
		change(&config)
		client, err := imtag.NewClient(config)
		if err == nil {
			_, err = client.AddTag(background, user("u", "a"))
			client.Close()
		}
		if err == nil || shows(fmt.Sprintf("%v %#v", err, err), secret) {
			t.Errorf("got %#v, want an error without the secret", err)
		}
	}
}

func TestASettingThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	usable := imtag.Config{SDKAppID: 1, Identifier: "me", SecretKey: secret, Region: "singapore"}
	for name, change := range map[string]func(*imtag.Config){
		"sdkappid":   func(c *imtag.Config) { c.SDKAppID = 0 },
		"identifier": func(c *imtag.Config) { c.Identifier = "" },
		"secret key": func(c *imtag.Config) { c.SecretKey = "" },
		"region":     func(c *imtag.Config) { c.Region = "atlantis" },
		"endpoint":   func(c *imtag.Config) { c.Region, c.Endpoint = "", "http://example.org" },
		"generation": func(c *imtag.Config) { c.Generation = "last" },
		"100001 calls per second: set 0.001 to 100000": func(c *imtag.Config) { c.CallsPerSecond = 100001 },
		"-1 calls per second: set 0.001 to 100000":     func(c *imtag.Config) { c.CallsPerSecond = -1 },
		"NaN calls per second: set 0.001 to 100000":    func(c *imtag.Config) { c.CallsPerSecond = math.NaN() },
		"inf calls per second: set 0.001 to 100000":    func(c *imtag.Config) { c.CallsPerSecond = math.Inf(1) },
		"0.0005 calls per second: set 0.001 to 100000": func(c *imtag.Config) { c.CallsPerSecond = 0.0005 },
		"CA file":                       func(c *imtag.Config) { c.CAFile = "/no/such/file" },
		"nonsense":                      func(c *imtag.Config) { c.Limits = map[string]int{"nonsense": 1} },
		"tag_bytes":                     func(c *imtag.Config) { c.Limits = map[string]int{"tag_bytes": 0} },
		"the limit \"tag_bytes\" is -1": func(c *imtag.Config) { c.Limits = map[string]int{"tag_bytes": -1} },
		"UserSig":                       func(c *imtag.Config) { c.UserSig = secret },
		"Endpoint":                      func(c *imtag.Config) { c.Endpoint = "https://example.org" },
		"the Timeout is -1ns":           func(c *imtag.Config) { c.Timeout = -1 },
		"the ConnectTimeout is -1ns":    func(c *imtag.Config) { c.ConnectTimeout = -1 },
	} {
		config := usable
		change(&config)
		client, err := imtag.NewClient(config)
		equal(t, name+": client", client, (*imtag.Client)(nil))
		if failed := failed(t, err, imtag.StatusSettings); !strings.Contains(strings.ToLower(failed.Error()), strings.ToLower(name)) {
			t.Errorf("%s is not named: %v", name, failed)
		}
	}
	client, err := imtag.NewClient(usable)
	equal(t, "error", err, nil)
	client.Close()
}

func TestEverySettingReachesTheLibrary(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	limited := e.client(t, func(c *imtag.Config) { c.Limits = map[string]int{"tag_bytes": 2, "account_bytes": 3} })
	_, err := limited.AddTag(background, user("four", "abc"))
	violations := failed(t, err, imtag.StatusInvalid).Violations
	equal(t, "violations", [2]string{violations[0].Problem, violations[1].Problem},
		[2]string{"4 bytes, at most 3", "3 bytes, at most 2"})

	_, err = limited.ReplaceTags(background, user("u", "a"))
	failed(t, err, imtag.StatusInvalid) // as the generation is not timpush

	e.fault(t, "add", `{"kind": "code", "code": 91000}, {"kind": "code", "code": 91000}`)
	twice := e.client(t, func(c *imtag.Config) { c.MaxAttempts = 2 })
	_, err = twice.AddTag(background, user("u", "a"))
	equal(t, "attempts", failed(t, err, imtag.StatusService).Attempts, 2)

	slow := e.client(t, func(c *imtag.Config) { c.CallsPerSecond = 1 })
	_, err = slow.AddTag(background, user("u", "a"))
	equal(t, "the first in a second", err, nil)
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	_, err = slow.AddTag(ctx, user("u", "a"))
	equal(t, "the second", failed(t, err, imtag.StatusTimeout).Attempts, 0)

	hasty := e.client(t, func(c *imtag.Config) { c.Timeout, c.ConnectTimeout = time.Nanosecond, time.Nanosecond })
	e.fault(t, "add", foreverFault)
	_, err = hasty.AddTag(background, user("u", "a"))
	failed(t, err, imtag.StatusTimeout)
}

func TestAllThatIsNeededAndNotSetIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := imtag.NewClient(imtag.Config{})
	equal(t, "message", failed(t, err, imtag.StatusSettings).Error(),
		`"0" is not an SDKAppID: a whole number from 1 to 4294967295, as the console shows it; `+
			"the identifier is empty: give the name of an app administrator, such as administrator; "+
			"no credentials are set: set a secret key, a UserSig, or a callback; "+
			"neither a region nor an endpoint is set: set the region that the console shows for the app")
	_, err = imtag.NewClient(imtag.Config{SDKAppID: 1, Identifier: "administrator", Region: "seoul"})
	equal(t, "message", failed(t, err, imtag.StatusSettings).Error(),
		"no credentials are set: set a secret key, a UserSig, or a callback")
}
