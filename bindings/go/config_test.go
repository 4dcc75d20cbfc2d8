package imtag_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
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
		imtag.Config{SDKAppID: 1, Proxy: "http://corp:" + secret + "@proxy:3128"},
		map[string]imtag.Config{"one": {Proxy: "http://" + secret + "@proxy:3128"}},
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
	for _, config := range []imtag.Config{{SecretKey: secret}, {UserSig: secret}, {Proxy: "http://corp:" + secret + "@p"}} {
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
	config := imtag.Config{SDKAppID: 1, Identifier: "me", SecretKey: secret, Region: "singapore",
		Proxy: "http://corp:" + secret + "@127.0.0.1:1"}
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
		func(c *imtag.Config) { c.Proxy = "ftp://corp:" + secret + "@proxy" },
		func(c *imtag.Config) { c.Proxy = "http://corp:" + secret + "\xff@proxy" },
		func(c *imtag.Config) {
			c.Endpoint, c.Region, c.Proxy, c.MaxAttempts = "", "singapore", "http://corp:"+secret+"@127.0.0.1:1", 1
		},
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

func TestASettingThatTheLibraryCannotBeGivenIsNamed(t *testing.T) {
	t.Parallel()
	usable := imtag.Config{SDKAppID: 1, Identifier: "me", SecretKey: secret, Region: "singapore"}
	for name, change := range map[string]func(*imtag.Config){
		"the limit \"tag_bytes\" is -1": func(c *imtag.Config) { c.Limits = map[string]int{"tag_bytes": -1} },
		"UserSig":                       func(c *imtag.Config) { c.UserSig = secret },
		"Roots and CAFile":              func(c *imtag.Config) { c.Roots, c.CAFile = "platform", "/dev/null" },
		"Endpoint":                      func(c *imtag.Config) { c.Endpoint = "https://example.org" },
		"the Timeout is -1ns":           func(c *imtag.Config) { c.Timeout = -1 },
		"the ConnectTimeout is -1ns":    func(c *imtag.Config) { c.ConnectTimeout = -1 },
	} {
		config := usable
		change(&config)
		client, err := imtag.NewClient(config)
		equal(t, name+": client", client, (*imtag.Client)(nil))
		if failed := failed(t, err, imtag.StatusSettings); !strings.Contains(failed.Error(), name) {
			t.Errorf("%s is not named: %v", name, failed)
		}
	}
	client, err := imtag.NewClient(usable)
	equal(t, "error", err, nil)
	client.Close()
}
